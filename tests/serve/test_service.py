"""The service answers, refuses clearly, stands in, reloads without losing a request, and logs."""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import shutil
import sqlite3
import sys

import pytest

from edgewright.bundle.engine import EngineError
from edgewright.core.errors import InputError
from edgewright.serve.app import Service
from edgewright.serve.openapi import document
from edgewright.serve.settings import Settings


class Broken:
    """An engine whose model always fails."""

    def __init__(self, outputs):
        self.outputs = outputs

    def one(self, row):
        raise EngineError("the model failed: on purpose")

    many = one


@pytest.fixture
def setup(bundles, tmp_path):
    """Return settings with a bundle of the test's own and a log."""
    shutil.copy(bundles["se-ppo"], tmp_path / "p.edge")
    return Settings(
        bundle=tmp_path / "p.edge",
        log=tmp_path / "log.db",
        fallback="shortest-1",
        max_batch=4,
        watch_s=0.02,
    )


@contextlib.asynccontextmanager
async def living(settings):
    service = Service(settings)
    async with service._live(service._rest):
        yield service


async def call(service, method, path, content=None, headers=(), plain=False):
    """Return (status, answer, headers) of one request; a body arrives in pieces.

    It is said to be JSON, unless no headers but those given are wanted (``plain``).
    """
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    pieces = [raw[n : n + 65536] for n in range(0, len(raw), 65536)] if content is not None else []
    sent = []

    async def receive():
        piece = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http",
        "server": ("test", 80), "client": ("test", 1),
        "headers": [*headers, *([] if plain else [(b"content-type", b"application/json")])],
    }  # fmt: skip
    await service(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    told = dict(sent[0]["headers"])
    answer = json.loads(body) if told[b"content-type"] == b"application/json" else body.decode()
    return sent[0]["status"], answer, told


def test_one_and_many_are_decided_like_the_bundle_does(setup, observation):
    async def go():
        async with living(setup) as service:
            bundle = service.decider.serving.bundle
            status, answer, _ = await call(
                service, "POST", "/v1/decide", {"observation": observation}
            )
            assert status == 200
            assert answer["policy"] == bundle.version
            wanted = bundle.decide(observation)
            assert {name: answer["decision"][name] for name in wanted} == wanted
            assert answer["decision"]["decided_by"] == "policy"
            others = [observation, {**observation, "charge_pct": 1e9}]
            _, answer, _ = await call(service, "POST", "/v1/decide", {"observations": others})
            assert [one["clamped"] for one in answer["decisions"]] == [[], ["charge_pct"]]
            assert len({one["id"] for one in answer["decisions"]}) == 2
            _, text, _ = await call(service, "GET", "/metrics")
            assert 'edgewright_out_of_range_total{field="charge_pct"} 1.0' in text
            assert "edgewright_decide_seconds_count 2.0" in text
            _, policy, _ = await call(service, "GET", "/v1/policy")
            assert policy["version"] == bundle.version

    asyncio.run(go())


BAD = [
    (b'{"observation": {"input_mb": NaN}}', 400, "not JSON"),
    (b"{", 400, "not JSON"),
    (b"[" * 10_000, 400, "not JSON"),
    (b"\xff\xfe", 400, "not JSON"),
    (b"[]", 400, "object"),
    (b'"' + b"a" * 10_000_000 + b'"', 413, "larger"),
    ({"observation": {}}, 422, "missing"),
    ({"observation": 3}, 422, "named fields"),
    ({"observations": []}, 422, "something in it"),
    ({"observations": [{}] * 5}, 422, "more than 4"),
    ({}, 422, "nothing else"),
    ({"observation": {}, "observations": []}, 422, "nothing else"),
]


@pytest.mark.parametrize(("body", "status", "word"), BAD, ids=lambda v: str(v)[:20])
def test_a_bad_request_is_refused_and_the_service_lives(setup, observation, body, status, word):
    async def go():
        async with living(setup) as service:
            found, answer, headers = await call(service, "POST", "/v1/decide", body)
            assert (found, word in answer["error"]["problem"]) == (status, True), answer
            assert (headers.get(b"connection") == b"close") == (status == 413)
            assert service.counters.refused[status] == 1
            good = {"observation": observation}
            assert (await call(service, "POST", "/v1/decide", good))[0] == 200

    asyncio.run(go())


FIELDS = [
    ({"phase": "1"}, "phase", "not a number"),
    ({"phase": None}, "phase", "not a number"),
    ({"mode": "bst"}, "mode", "none of the choices"),
    ({"speed": 1}, "speed", "unknown field"),
    ({"charge_pct": 1e9}, "charge_pct", "out of range"),
    ({"bandwidth_mbps": -1.0}, "bandwidth_mbps", "out of range"),
    ({"bandwidth_mbps": 1e39}, "bandwidth_mbps", "larger than 32 bits hold"),
]


def test_a_full_battery_is_decided_with_what_was_sent(setup, observation):
    async def go():
        for mode in ("clamp", "refuse"):
            async with living(dataclasses.replace(setup, out_of_range=mode)) as service:
                full = {**observation, "charge_pct": 100, "input_mb": 400.0}
                status, answer, _ = await call(service, "POST", "/v1/decide", {"observation": full})
                assert (status, answer["decision"]["clamped"]) == (200, [])

    asyncio.run(go())


@pytest.mark.parametrize(("change", "field", "word"), FIELDS)
def test_a_wrong_field_is_named_with_its_value_and_range(setup, observation, change, field, word):
    async def go():
        async with living(dataclasses.replace(setup, out_of_range="refuse")) as service:
            body = {"observations": [observation, {**observation, **change}]}
            status, answer, _ = await call(service, "POST", "/v1/decide", body)
            error = answer["error"]
            assert status == 422
            assert word in error["problem"]
            assert error["field"] == f"observations[1].{field}"
            assert error["value"] == change[field]
            assert error["allowed"]
            assert not +service.counters.decisions

    asyncio.run(go())


def test_all_bad_fields_of_a_request_are_named(setup, observation):
    bad = {**observation, "mode": "bset", "work_gcycles": None, "more": 1}
    del bad["charge_pct"]

    async def session():
        async with living(setup) as service:
            one = await call(service, "POST", "/v1/decide", {"observation": bad})
            many = [observation, bad, 3]
            return one, await call(service, "POST", "/v1/decide", {"observations": many})

    (status, answer, _), (other, answers, _) = asyncio.run(session())
    names = {"mode", "work_gcycles", "more", "charge_pct"}
    assert (status, other) == (422, 422)
    error = answer["error"]
    assert {one["field"] for one in error["fields"]} == {f"observation.{name}" for name in names}
    assert all(one["problem"] for one in error["fields"])
    assert error["field"] == error["fields"][0]["field"]
    wanted = {f"observations[1].{name}" for name in names} | {"observations[2]"}
    assert {one["field"] for one in answers["error"]["fields"]} == wanted


def test_other_paths_and_methods_are_said_to_be_so(setup):
    async def go():
        async with living(setup) as service:
            assert (await call(service, "GET", "/nothing"))[0] == 404
            status, _, headers = await call(service, "GET", "/v1/decide")
            assert (status, headers[b"allow"]) == (405, b"POST")
            assert (await call(service, "POST", "/healthz", {}))[0] == 405
            assert (await call(service, "GET", "/healthz"))[0] == 200
            status, answer, _ = await call(service, "GET", "/readyz")
            assert (status, answer["ready"], answer["log"]["dropped"]) == (200, True, 0)

    asyncio.run(go())


def test_a_slash_too_many_is_no_redirect(setup):
    async def go():
        async with living(setup) as service:
            for path in ("/v1/outcome/", "/healthz/", "/v1/decide/"):
                assert (await call(service, "GET", path, headers=[(b"host", b"evil")]))[0] == 404

    asyncio.run(go())


TYPES = [
    ((), 415, "JSON"),
    (((b"content-type", b"text/plain"),), 415, "JSON"),
    (((b"content-type", b"application/x-www-form-urlencoded"),), 415, "JSON"),
    (((b"content-type", b"application/json-seq"),), 415, "JSON"),
    (
        ((b"content-type", b"application/json"), (b"content-encoding", b"gzip")),
        415,
        "compressed",
    ),
    (((b"content-type", b"Application/JSON ; charset=utf-8"),), 422, ""),
    (((b"content-type", b"application/json"), (b"content-encoding", b"Identity")), 422, ""),
]


@pytest.mark.parametrize(("headers", "wanted", "word"), TYPES)
@pytest.mark.parametrize("path", ["/v1/decide", "/v1/outcome"])
def test_a_body_must_be_said_to_be_json(setup, path, headers, wanted, word):
    async def go():
        async with living(setup) as service:
            status, answer, _ = await call(service, "POST", path, {}, headers, plain=True)
            assert (status, word in answer["error"]["problem"]) == (wanted, True)
            assert service.counters.refused[wanted] == 1

    asyncio.run(go())


def test_a_token_guards_decisions_and_not_probes(setup):
    async def go():
        async with living(dataclasses.replace(setup, token="secret-token")) as service:
            status, _, headers = await call(service, "GET", "/v1/policy")
            assert (status, headers[b"www-authenticate"]) == (401, b"Bearer")
            for given, wanted in (
                (b"Bearer secret-token", 200),
                (b"bearer secret-token", 200),
                (b"BEARER  secret-token", 200),
                (b"Bearer secret-tokem", 401),
                (b"Basic secret-token", 401),
                (b"secret-token", 401),
                (b"Bearer", 401),
            ):
                bearing = [(b"authorization", given)]
                assert (await call(service, "GET", "/v1/policy", headers=bearing))[0] == wanted
            assert (await call(service, "POST", "/v1/decide", {}))[0] == 401
            assert (await call(service, "GET", "/metrics"))[0] == 200

    asyncio.run(go())


def test_a_token_is_not_shown_with_the_settings(setup):
    assert "secret" not in repr(dataclasses.replace(setup, token="secret-token"))


def test_a_long_name_is_cut_and_not_compared(setup, observation):
    async def go():
        async with living(setup) as service:
            name = "x" * 900_000
            for body in ({"observation": {**observation, name: 1}}, {name: 1}):
                status, answer, headers = await call(service, "POST", "/v1/decide", body)
                assert status == 422
                assert int(headers[b"content-length"]) < 1000
                assert "x" * 80 in json.dumps(answer)

    asyncio.run(go())


def test_numbers_of_a_refused_batch_do_not_count_as_clamped(setup, observation):
    async def go():
        async with living(setup) as service:
            far = {**observation, "charge_pct": 1e9}
            for rows, status in (([far, {}], 422), ([far, far], 200)):
                found = await call(service, "POST", "/v1/decide", {"observations": rows})
                assert found[0] == status
            assert +service.counters.clamped == {"charge_pct": 2}

    asyncio.run(go())


def test_a_rule_stands_in_for_a_broken_model_and_the_answer_says_so(setup, observation):
    async def go():
        async with living(setup) as service:
            serving = service.decider.serving
            broken = dataclasses.replace(
                serving.bundle, engine=Broken(serving.bundle.engine.outputs)
            )
            service.decider.serving = dataclasses.replace(serving, bundle=broken)
            body = {"observation": observation}
            _, answer, _ = await call(service, "POST", "/v1/decide", body)
            assert answer["decision"]["decided_by"] == "shortest-1"
            assert answer["decision"]["location"] == 2  # the shorter queue
            _, answer, _ = await call(
                service, "POST", "/v1/decide", {"observations": [observation]}
            )
            assert answer["decisions"][0]["decided_by"] == "shortest-1"
            assert service.counters.fallbacks["shortest-1"] == 2
            service.decider.serving = dataclasses.replace(serving, bundle=broken, fallback=None)
            status, answer, _ = await call(service, "POST", "/v1/decide", body)
            assert (status, "--fallback" in answer["error"]["hint"]) == (503, True)

    asyncio.run(go())


def test_a_fallback_that_is_not_there_is_refused(setup):
    with pytest.raises(InputError, match="no rule 'shortest-9'"):
        Service(dataclasses.replace(setup, fallback="shortest-9"))


def test_a_reload_under_load_fails_no_request_and_switches_once(setup, bundles, observation):
    async def go():
        async with living(setup) as service:
            seen, before = [], service.decider.serving.bundle.version
            stop = asyncio.Event()

            async def load():
                while not stop.is_set():
                    body = {"observation": observation}
                    status, answer, _ = await call(service, "POST", "/v1/decide", body)
                    seen.append((status, answer["policy"]))
                    await asyncio.sleep(0)

            clients = [asyncio.create_task(load()) for _ in range(4)]
            fresh = setup.bundle.with_suffix(".new")
            shutil.copy(bundles["dqn"], fresh)
            fresh.replace(setup.bundle)
            # The fallback is a rule of the bundle, and this one packs none: it must not take over.
            async with asyncio.timeout(20):
                while not service.counters.reloads["refused"]:
                    await asyncio.sleep(0.01)
            assert "no rule" in service.reloader.message
            service.decider.settings = service.reloader.settings = dataclasses.replace(
                setup, fallback=None
            )
            assert await service.reloader.reload()
            count = len(seen)
            async with asyncio.timeout(20):
                while len(seen) < count + 20:
                    await asyncio.sleep(0.01)
            stop.set()
            await asyncio.gather(*clients)
            assert {status for status, _ in seen} == {200}
            versions = [version for _, version in seen]
            assert versions[0] == before
            assert versions[-1] == service.decider.serving.bundle.version != before
            assert sum(a != b for a, b in itertools.pairwise(versions)) == 1
            setup.bundle.write_bytes(b"junk")
            assert not await service.reloader.reload()
            assert versions[-1] == service.decider.serving.bundle.version

    asyncio.run(go())


def put(bundle, place):
    """Put a copy of a bundle in a place, whole."""
    fresh = place.with_suffix(".new")
    shutil.copy(bundle, fresh)
    fresh.replace(place)


async def come(true):
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


def test_a_reload_that_breaks_in_any_way_is_refused_and_the_next_is_taken(
    setup, bundles, monkeypatch
):
    from edgewright.serve import decider

    def broken(settings):
        raise TypeError("bad arrays")

    async def go():
        async with living(dataclasses.replace(setup, fallback=None)) as service:
            before = service.decider.serving.bundle.version
            with monkeypatch.context() as patch:
                patch.setattr(decider, "prepare", broken)
                put(bundles["a2c"], setup.bundle)
                await come(lambda: service.counters.reloads["refused"])
            assert service.reloader.message == "bad arrays"
            assert service.decider.serving.bundle.version == before
            put(bundles["dqn"], setup.bundle)
            await come(lambda: service.counters.reloads["taken"])
            assert service.reloader.message == ""
            assert service.decider.serving.bundle.version != before

    asyncio.run(go())


def test_a_hangup_while_the_service_still_loads_is_made_up_for(setup):
    async def go():
        service = Service(dataclasses.replace(setup, watch_s=0.0))
        service.reloader.hangups._came(1, None)
        assert not +service.counters.reloads
        async with service._live(service._rest):
            await come(lambda: service.counters.reloads["taken"] == 1)
            service.reloader.hangups._came(1, None)
            await come(lambda: service.counters.reloads["taken"] == 2)
        service.reloader.hangups._came(1, None)  # when all is over it does nothing

    asyncio.run(go())


def test_a_fallback_in_a_file_is_shown_and_taken_up_when_it_changes(setup, bundles):
    beside = setup.bundle.with_name("beside.edge")
    shutil.copy(bundles["dqn"], beside)

    async def go():
        async with living(dataclasses.replace(setup, fallback=str(beside))) as service:
            shown = [(await call(service, "GET", path))[1] for path in ("/v1/policy", "/readyz")]
            assert [one["fallback"]["name"] for one in shown] == ["dqn", "dqn"]
            decides = service.decider.serving.bundle.version
            put(bundles["a2c"], beside)
            await come(lambda: service.counters.reloads["taken"])
            _, policy, _ = await call(service, "GET", "/v1/policy")
            assert policy["fallback"]["name"] == "a2c"
            assert policy["fallback"]["version"] != shown[0]["fallback"]["version"]
            assert policy["version"] == decides
            beside.unlink()
            await come(lambda: service.counters.reloads["refused"])
            assert "cannot be read" in service.reloader.message

    asyncio.run(go())


def test_an_outcome_that_is_refused_names_all_its_bad_fields(setup):
    async def go():
        async with living(setup) as service:
            report = {"decision": "x", "reward": None, "more": 1, "metrics": {"a": 1, "b": "2"}}
            status, answer, _ = await call(service, "POST", "/v1/outcome", report)
            assert status == 422
            fields = [one["field"] for one in answer["error"]["fields"]]
            assert fields == ["more", "decision", "reward", "metrics.b"]
            assert answer["error"]["field"] == "more"
            many = {
                "decision": "aaaaaaaaaaaa-ff",
                "reward": 1,
                "metrics": {str(n): "" for n in range(99)},
            }
            _, answer, _ = await call(service, "POST", "/v1/outcome", many)
            assert len(answer["error"]["fields"]) == 20

    asyncio.run(go())


def test_decisions_and_outcomes_are_on_the_disk_after_a_stop(setup, observation):
    async def go():
        async with living(setup) as service:
            ids = []
            for _ in range(50):
                _, answer, _ = await call(
                    service, "POST", "/v1/decide", {"observation": observation}
                )
                assert answer["decision"]["log"] == "queued"
                ids.append(answer["decision"]["id"])
            report = {"decision": ids[0], "reward": 0.5, "metrics": {"delay_s": 1}}
            assert (await call(service, "POST", "/v1/outcome", report))[0] == 200
            assert (await call(service, "POST", "/v1/outcome", report))[0] == 409
            unknown = {**report, "decision": "aaaaaaaaaaaa-ff"}
            assert (await call(service, "POST", "/v1/outcome", unknown))[0] == 404
            for wrong in ({**report, "reward": "1"}, {**report, "decision": "\udc80"}, {"x": 1}):
                assert (await call(service, "POST", "/v1/outcome", wrong))[0] in (400, 422)
            return ids

    ids = asyncio.run(go())
    with contextlib.closing(sqlite3.connect(setup.log)) as database:
        rows = database.execute("SELECT id, observation FROM decisions").fetchall()
        assert {row[0] for row in rows} == set(ids)
        assert json.loads(rows[0][1]) == observation
        assert database.execute("SELECT decision, reward FROM outcomes").fetchall() == [
            (ids[0], 0.5)
        ]


def test_the_scrape_says_whether_the_log_is_written(setup):
    async def go():
        async with living(setup) as service:
            assert "edgewright_log_alive 1.0" in (await call(service, "GET", "/metrics"))[1]
            service.log.close()
            assert "edgewright_log_alive 0.0" in (await call(service, "GET", "/metrics"))[1]

    asyncio.run(go())


def test_the_document_states_fields_and_ranges(setup):
    async def go():
        async with living(dataclasses.replace(setup, out_of_range="refuse")) as service:
            bundle = service.decider.serving.bundle
            _, found, _ = await call(service, "GET", "/openapi.json")
            assert found == json.loads(
                json.dumps(document(bundle.interface, bundle.name, service.settings))
            )
            fields = found["components"]["schemas"]["Observation"]["properties"]
            assert (fields["charge_pct"]["minimum"], fields["charge_pct"]["maximum"]) == (
                0.0,
                100.0,
            )
            assert fields["input_mb"]["minimum"] == 0.0
            assert "maximum" not in fields["input_mb"]  # as much as 32 bits hold
            assert fields["input_mb"]["format"] == "float"
            assert "training met 10 to 25" in fields["input_mb"]["description"]
            assert fields["mode"]["enum"] == ["preview", "balanced", "best"]

    asyncio.run(go())


def test_a_request_is_answered_without_jax(setup, observation):
    import subprocess

    code = (
        "import asyncio, json, sys\n"
        "from pathlib import Path\n"
        "from edgewright.serve.server import configuration\n"
        "from edgewright.serve.app import Service\n"
        "from edgewright.serve.settings import Settings\n"
        "service = Service(Settings(bundle=Path(sys.argv[1])))\n"
        "service.decider.answer(sys.argv[2].encode())\n"
        "heavy = {'jax', 'onnx', 'scipy', 'pydantic', 'equinox', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    body = json.dumps({"observation": observation})
    command = [sys.executable, "-c", code, str(setup.bundle), body]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
