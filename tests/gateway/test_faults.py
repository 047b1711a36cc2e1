"""Faults of back ends, clients and reloads, met in one process with servers of the test's own."""

import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import sqlite3

import pytest
from aiohttp import web

from edgewright.core.errors import InputError
from edgewright.gateway.app import Gateway
from edgewright.gateway.images import read_claims
from edgewright.gateway.plan import make_plan, retire

PICTURE = {"data": [{"b64_json": "aGk="}]}
LEVELS = {"levels": [{}, {}, {}], "seconds": [0.1, 0.1, 0.1]}
DIGITS = {"name": "device", "kind": "digits", "location": 0, "steps": [1, 2, 3], "step_ms": 0.01}


class Client:
    """Speaks ASGI to a gateway; ``hold`` stops reading after the first part of an answer."""

    def __init__(self, content, headers=(), path="/v1/images/generations", between=None):
        self.body, self.between, self.parts = json.dumps(content).encode(), between, []
        self.head = {"content-type": "application/json", **dict(headers)}
        self.path, self.hold, self.released = path, False, asyncio.Event()
        self.first, self.sent = asyncio.Event(), False

    async def receive(self):
        if self.sent:
            await asyncio.Event().wait()
        self.sent = True
        if self.between is not None:
            await self.between()
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {a.decode(): b.decode("latin-1") for a, b in message["headers"]}
            return
        self.parts.append(message["body"])
        self.first.set()
        if self.hold:
            await self.released.wait()

    async def ask(self, gateway):
        """Return status, headers and text of the answer."""
        lines = [(a.encode(), b.encode("latin-1")) for a, b in self.head.items()]
        scope = {"type": "http", "method": "POST", "path": self.path, "headers": lines}
        scope |= {"query_string": b"", "root_path": "", "http_version": "1.1"}
        await gateway(scope, self.receive, self.send)
        return self.status, self.headers, b"".join(self.parts).decode()


@contextlib.asynccontextmanager
async def server(answer):
    """Run a server whose every answer ``answer(request)`` makes; yield its address."""
    runner = web.AppRunner(web.Application())
    runner.app.router.add_route("*", "/{rest:.*}", answer)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
    finally:
        await runner.cleanup()


@pytest.fixture
def made(tmp_path, write_config):
    """Return what makes a gateway of these tables, and collects what it says."""
    gateways = []

    def make(**tables):
        gateway = Gateway(write_config(tmp_path, **tables), gateways.append)
        gateway.said = gateways
        return gateway

    return make


def upstream(url, name="w1", location=0, **settings):
    return {
        "name": name, "kind": "upstream", "location": location, "url": url, **LEVELS, **settings,
    }  # fmt: skip


async def closed(gateway):
    for backend in gateway.plan.backends.values():
        await backend.generator.close()


def answered(made, respond, content=None, **tables):
    """Return what a gateway before one server answers, and the gateway afterwards."""

    async def run():
        async with server(respond) as url:
            settings = tables.pop("settings", {})
            gateway = made(backend=[upstream(url, **settings)], **tables)
            answer = await Client({"prompt": "4", **(content or {})}).ask(gateway)
            await closed(gateway)
            return *answer, gateway

    return asyncio.run(run())


@pytest.mark.parametrize("data", [[], [{"b64_json": None}], [{"url": "http://x"}], {"a": 1}, None])
def test_an_answer_without_images_is_a_failure_that_is_accounted_for(made, data):
    async def respond(request):
        return web.json_response({"data": data})

    status, headers, text, gateway = answered(made, respond, log={"path": "log.db"})
    backend = gateway.plan.backends["w1"]
    assert (status, headers["x-should-retry"]) == (502, "false")
    assert json.loads(text)["error"]["code"] == "backend_failed"
    (receipt,) = gateway.receipts.after(None, "", 9)
    assert receipt.status == "failed"
    assert (len(backend.ledger), backend.breaker.failures, backend.users) == (0, 1, 0)
    assert gateway.outcomes._written == gateway.outcomes._number == {}
    gateway.log.close()


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_that_nobody_foresaw_gets_the_envelope_and_frees_the_probe(made, stream):
    async def run():
        gateway = made(backend=[DIGITS], breaker={"cooldown_s": 0.01})
        backend = gateway.plan.backends["device"]

        async def broken(job, ledger, item):
            raise RuntimeError("a secret")
            yield

        usual, backend.generator.run = backend.generator.run, broken
        backend.breaker.failed(transport=True, probe=False)
        await asyncio.sleep(0.02)
        answer = await Client({"prompt": "4", "stream": stream}).ask(gateway)
        backend.generator.run = usual
        await asyncio.sleep(0.03)
        again = await Client({"prompt": "4", "size": "8x8"}).ask(gateway)
        await closed(gateway)
        return answer, again[0], gateway

    (status, headers, text), again, gateway = asyncio.run(run())
    assert (status, headers["x-should-retry"]) == (502, "false")
    assert "RuntimeError" in text
    assert "secret" not in text
    assert again == 200
    assert [one.status for one in gateway.receipts.after(None, "", 9)] == ["failed", "done"]


def test_an_error_of_the_gateway_itself_is_no_text_and_no_retry(made, monkeypatch):
    async def run():
        gateway = made(backend=[DIGITS])
        monkeypatch.setattr(gateway.shadows, "later", lambda *given: 1 / 0)
        answer = await Client({"prompt": "4"}).ask(gateway)
        await closed(gateway)
        return *answer, gateway

    status, headers, text, gateway = asyncio.run(run())
    assert (status, headers["x-should-retry"]) == (500, "false")
    assert json.loads(text)["error"]["code"] == "gateway_failed"
    assert [one.status for one in gateway.receipts.after(None, "", 9)] == ["failed"]
    assert "ZeroDivisionError at test_faults.py" in gateway.said[-1]


def test_a_redirect_is_not_followed_and_no_cookie_is_kept(made):
    asked = []

    async def respond(request):
        asked.append((request.path, request.headers.get("cookie")))
        found = web.Response(status=307, headers={"location": "/elsewhere"})
        found.set_cookie("who", "first-client")
        return found

    async def run():
        async with server(respond) as url:
            gateway = made(backend=[upstream(url)])
            answers = [await Client({"prompt": "4"}).ask(gateway) for _ in range(2)]
            await closed(gateway)
            return answers

    for status, headers, _ in asyncio.run(run()):
        assert (status, headers["x-should-retry"]) == (502, "false")
    assert asked == [("/v1/images/generations", None)] * 2


@pytest.mark.parametrize(
    ("given", "status", "failures"),
    [(204, 502, 1), (400, 400, 0), (401, 502, 1), (403, 502, 1), (404, 502, 1), (422, 422, 0)],
)
def test_the_status_of_an_upstream_says_whose_fault_it_is(made, given, status, failures):
    async def respond(request):
        error = {"error": {"message": "bad key sk-123"}}
        headers = {"retry-after": "\u00fc", "x-should-retry": "false"}
        return web.json_response(error, status=given, headers=headers)

    result, headers, text, gateway = answered(made, respond)
    assert result == status
    assert gateway.plan.backends["w1"].breaker.failures == failures
    assert ("sk-123" in text) == (status < 500)
    assert "retry-after" not in headers


def test_an_unknown_model_that_a_client_named_is_its_own_fault(made):
    async def respond(request):
        return web.json_response({}, status=404)

    async def run():
        async with server(respond) as url:
            gateway = made(backend=[upstream(url, modality="chat")])
            chat = {"messages": [{"role": "user", "content": "b"}], "model": "nothing"}
            answer = await Client(chat, path="/v1/chat/completions").ask(gateway)
            await closed(gateway)
            return answer[0], gateway.plan.backends["w1"].breaker.failures

    assert asyncio.run(run()) == (404, 0)


def test_a_busy_worker_says_when_to_come_again(made):
    async def respond(request):
        headers = {"x-edgewright-accepted": "false", "retry-after-ms": "7000"}
        return web.json_response({}, status=429, headers=headers)

    status, headers, text, _ = answered(made, respond)
    assert (status, json.loads(text)["error"]["code"]) == (429, "queue_full")
    assert headers["retry-after-ms"] == "7000"
    assert headers["x-edgewright-accepted"] == "false"


def test_two_requests_at_a_plain_server_have_times_that_add_up(made):
    turn, body = asyncio.Lock(), json.dumps(PICTURE).encode()

    async def respond(request):
        async with turn:
            await asyncio.sleep(0.1)
        answer = web.StreamResponse(headers={"x-edgewright-service-ms": "nan"})
        answer.content_length = len(body)
        await answer.prepare(request)
        await answer.write(body[:5])
        await asyncio.sleep(0.1)  # the transfer
        await answer.write(body[5:])
        return answer

    async def run():
        async with server(respond) as url:
            gateway = made(backend=[upstream(url)])
            await asyncio.gather(*(Client({"prompt": "4"}).ask(gateway) for _ in range(2)))
            await closed(gateway)
            return gateway

    gateway = asyncio.run(run())
    receipts = gateway.receipts.after(None, "", 9)
    first, second = sorted((one.actual for one in receipts), key=lambda one: one["queue_ms"])
    assert first["queue_ms"] == 0.0
    assert second["queue_ms"] > 90
    for one in (first, second):
        assert min(one["service_ms"], one["transfer_ms"]) > 0
        assert 0 <= one["overhead_ms"] < 90  # neither the queue, nor less than nothing
        names = ("queue_ms", "service_ms", "transfer_ms", "overhead_ms")
        assert sum(one[name] for name in names) == pytest.approx(one["total_ms"])


def test_a_reload_while_a_body_arrives_loses_no_request(made, tmp_path, write_config):
    backends = [DIGITS, {**DIGITS, "name": "other", "location": 1}]
    arms = {"a": "local", "b": "fastest"}

    async def run():
        gateway = made(backend=backends, blocks={"arms": arms, "seconds": 0.02})

        async def reload():
            fresh = {"c": "local", "d": "finest"}
            other = [{**DIGITS, "power_w": 3.0}]
            write_config(tmp_path, backend=other, blocks={"arms": fresh, "seconds": 0.02})
            assert await gateway.watcher.reload()
            await asyncio.sleep(0.15)  # so that the old back ends are closed

        before = await Client({"prompt": "4", "size": "8x8"}).ask(gateway)
        during = await Client({"prompt": "4", "size": "8x8"}, between=reload).ask(gateway)
        await asyncio.sleep(0.05)
        receipts = gateway.receipts.after(None, "", 9)
        told = [one.blocks.arm_if_over(int(one.block)) for one in receipts]
        await closed(gateway)
        return before[0], during[0], receipts, told

    before, during, receipts, told = asyncio.run(run())
    assert (before, during) == (200, 200)
    assert told[0] in {"a", "b"}
    assert told[1] in {"c", "d"}
    assert int(receipts[0].block) < int(receipts[1].block)


def test_a_back_end_is_not_closed_while_a_request_may_still_go_to_it(made, tmp_path, write_config):
    async def run():
        gateway = made(backend=[DIGITS])
        old = gateway.plan
        new = make_plan(write_config(tmp_path, backend=[{**DIGITS, "power_w": 3.0}]), old)
        with old.used():
            retiring = asyncio.ensure_future(retire(old, new))
            await asyncio.sleep(0.15)
            waited = not retiring.done()
        await retiring
        await new.backends["device"].generator.close()
        return waited

    assert asyncio.run(run())


def test_a_refused_reload_changes_no_key_and_a_taken_one_keeps_what_was_learned(
    made, tmp_path, write_config
):
    key = {"sha256": "a" * 64, "rpm": 5}

    async def run():
        link = [{"name": "access"}]
        behind = upstream("http://127.0.0.1:9/v1", link="access")
        gateway = made(backend=[DIGITS, behind], key=[key], link=link)
        client = gateway.plan.keys._clients["a" * 64]
        backend, access = gateway.plan.backends["w1"], gateway.plan.links["access"]
        tables = {"backend": [DIGITS, behind], "link": link, "key": [{**key, "rpm": 99}]}
        for name, value in (("drain_s", 9.0), ("grace_s", 9.0), ("watch_s", 9.0)):
            write_config(tmp_path, **tables, gateway={name: value})
            assert not await gateway.watcher.reload()
            assert f"gateway.{name}: cannot change" in gateway.watcher.message
            assert client.table.rpm == 5
        changed = {"breaker": {"cooldown_s": 9.0}, "signals": {"stale": "last"}}
        write_config(tmp_path, **tables, **changed, gateway={"max_body_bytes": 10})
        assert await gateway.watcher.reload()
        assert client.table.rpm == 99
        assert gateway.plan.backends["w1"] is backend
        assert gateway.plan.links["access"] is access
        assert (backend.breaker.table.cooldown_s, access.signals.stale) == (9.0, "last")
        backend.breaker.failed(transport=True, probe=False)
        assert backend.breaker.wait_s == pytest.approx(9.0, abs=0.5)
        gateway.plan.keys._clients = {}
        status, _, _ = await Client({"prompt": "4"}).ask(gateway)
        assert status == 413
        await closed(gateway)

    asyncio.run(run())


def test_a_client_that_reads_slowly_holds_no_generator(made):
    async def run():
        gateway = made(backend=[DIGITS])
        slow = Client({"prompt": "4", "stream": True, "n": 2, "partial_images": 2, "size": "8x8"})
        slow.hold = True
        task = asyncio.ensure_future(slow.ask(gateway))
        await slow.first.wait()
        quick = Client({"prompt": "4", "size": "8x8"}).ask(gateway)
        status = (await asyncio.wait_for(quick, 10.0))[0]
        finished = gateway.plan.backends["device"].ledger.finished
        slow.hold = False
        slow.released.set()
        text = (await task)[2]
        await closed(gateway)
        return status, finished, text

    status, finished, text = asyncio.run(run())
    assert (status, finished) == (200, 2)
    assert text.count("image_generation.completed") == 4  # name and type of two events


def test_after_a_failover_each_decision_has_a_row_with_its_own_outcome(made, tmp_path):
    async def run():
        backends = [upstream("http://127.0.0.1:9/v1"), {**DIGITS, "location": 1, "speed": 0.01}]
        quality = {"scores": [0.1, 0.2, 0.3]}
        gateway = made(backend=backends, log={"path": "log.db"}, quality=quality)
        gateway.plan.backends["device"].ledger.ratio = 1e4  # so that the other one is first
        status, _, text = await Client({"prompt": "4", "size": "8x8"}).ask(gateway)
        await closed(gateway)
        gateway.log.close()
        return status, json.loads(text)["edgewright"]

    status, receipt = asyncio.run(run())
    assert (status, receipt["score"]) == (200, 0.2)
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as database:
        query = "SELECT d.id, d.decision, o.reward, o.metrics FROM decisions d, outcomes o"
        rows = database.execute(f"{query} WHERE o.decision = d.id ORDER BY d.id").fetchall()
    first, second = rows
    assert [first[0], second[0]] == [receipt["receipt"], f"{receipt['receipt']}.1"]
    assert [json.loads(one[1])["backend"] for one in rows] == ["w1", "device"]
    assert [one[2] for one in rows] == [0.0, 0.2]
    assert [json.loads(one[3])["accepted"] for one in rows] == [0.0, 1.0]


def test_shadows_with_other_fields_decide_on_their_own_observation(made, bundles):
    async def run():
        name = str(bundles["se-ppo"])
        gateway = made(backend=[DIGITS], policy={"shadow": [name]})
        await Client({"prompt": "4", "size": "8x8"}).ask(gateway)
        await asyncio.sleep(0.01)
        await closed(gateway)
        return gateway.receipts.after(None, "", 9)[0].shadows[name]

    assert asyncio.run(run()).location == 0


def test_a_queue_of_another_kind_or_out_of_reach_says_nothing(made, bundles):
    async def run():
        chat = upstream("http://127.0.0.1:9/v1", "talker", 1, modality="chat")
        down = upstream("http://127.0.0.1:9/v1", "down", 1)
        near = {**DIGITS, "name": "near", "location": 1}
        backends = [DIGITS, chat, down, near]
        gateway = made(backend=backends, policy={"bundle": str(bundles["se-ppo"])})
        gateway.plan.backends["down"].breaker.failed(transport=True, probe=False)
        gateway.plan.backends["near"].ledger.add(50.0)
        await Client({"prompt": "4", "size": "8x8"}).ask(gateway)
        await closed(gateway)
        return gateway.receipts.after(None, "", 9)[0].observation

    observation = asyncio.run(run())
    (backlog,) = [observation[one] for one in observation if one.endswith("1_backlog_gcycles")]
    assert backlog > 10.0


def test_deadlines_count_from_the_arrival_and_the_least_counts(made):
    both = read_claims({"edgewright": {"deadline_ms": 900}}, {"x-edgewright-deadline-ms": "50"}, ())
    assert both.deadline_s == 0.05

    async def run():
        gateway = made(backend=[DIGITS], policy={"on_late": "shed"})

        async def upload():
            await asyncio.sleep(0.3)

        claims = {"prompt": "4", "size": "8x8", "edgewright": {"deadline_ms": 250}}
        late = await Client(claims, between=upload).ask(gateway)
        gateway.plan.backends["device"].ledger.add(5.0)
        queued = await Client(claims).ask(gateway)
        await closed(gateway)
        return late, queued

    late, queued = asyncio.run(run())
    assert (late[0], json.loads(late[2])["error"]["code"]) == (503, "deadline")
    assert "of which 0 ms are left" in json.loads(late[2])["error"]["message"]
    assert queued[0] == 503
    assert int(queued[1]["retry-after-ms"]) == pytest.approx(4750, abs=500)


def test_a_level_is_meant_by_its_own_name(made):
    async def run(levels, asked):
        digits = {**DIGITS, "steps": [1, 2, 3, 4]}
        gateway = made(backend=[digits], quality={"levels": levels})
        answer = await Client({"prompt": "4", "size": "8x8", "quality": asked}).ask(gateway)
        await closed(gateway)
        return answer[0], answer[1]["x-edgewright-quality"], json.loads(answer[2])["quality"]

    levels = ["draft", "standard", "fine", "ultra"]
    for number, name in enumerate(levels):
        status, quality, shown = asyncio.run(run(levels, name))
        assert (status, quality) == (200, f"{number}/{name}")
        assert shown == ["low", "standard", "medium", "high"][number]
    assert asyncio.run(run(["a", "b", "c", "d"], "b"))[2] == "b"


def test_equal_chats_have_equal_hashes_and_others_have_others(made):
    async def respond(request):
        return web.json_response({"choices": []})

    async def run():
        async with server(respond) as url:
            backend = upstream(url, modality="chat")
            gateway = made(backend=[backend], log={"prompts": "hash"})
            for text in ("a", "a", "b"):
                chat = {"messages": [{"role": "user", "content": text}]}
                await Client(chat, path="/v1/chat/completions").ask(gateway)
            await closed(gateway)
            return [one.asked["prompt_hash"] for one in gateway.receipts.after(None, "", 9)]

    first, second, third = asyncio.run(run())
    assert first == second != third


@pytest.mark.parametrize("value", ["", "two\nlines", "\u00e4"])
def test_a_variable_that_holds_no_key_is_refused(made, monkeypatch, value):
    monkeypatch.setitem(os.environ, "SOME_KEY", value)
    with pytest.raises(InputError) as caught:
        made(backend=[upstream("http://x/v1", api_key_env="SOME_KEY")])
    assert "backend[0].api_key_env" in caught.value.where
    assert not value or value not in str(caught.value)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"quality": {"levels": ["a", "auto", "c"]}}, "quality.levels[1]: must not be 'auto'"),
        ({"quality": {"levels": ["a", "b", "a"]}}, "quality.levels[2]: 'a' is there twice"),
        ({"quality": {"map": {"fine": 0}}}, "quality.map.fine: must be 2, the level of that name"),
        ({"quality": {"map": {"auto": 0}}}, "quality.map.auto: must not be mapped"),
        ({"backend": [{**DIGITS, "modality": "chat"}]}, "backend[0].modality: must be image"),
        ({"backend": [upstream("http://x", api_key_env="NO_SUCH")]}, "backend[0].api_key_env: "),
    ],
)
def test_parts_that_contradict_are_refused_by_name(made, tables, message):
    with pytest.raises(InputError) as caught:
        made(**{"backend": [DIGITS], **tables})
    assert message in str(caught.value)
    assert caught.value.hint


def test_a_request_beyond_a_limit_of_its_key_may_go_elsewhere(made):
    async def run():
        key = {"sha256": hashlib.sha256(b"k").hexdigest(), "name": "phone", "rpm": 1}
        gateway = made(backend=[DIGITS], key=[{**key, "in_flight": 1}])
        head = {"authorization": "Bearer k"}
        answers = []

        async def meanwhile():
            answers.append(await Client({"prompt": "4"}, head).ask(gateway))

        await Client({"prompt": "4", "size": "8x8"}, head, between=meanwhile).ask(gateway)
        answers.append(await Client({"prompt": "4"}, head).ask(gateway))
        await closed(gateway)
        return answers, gateway.counters.clients

    answers, counted = asyncio.run(run())
    codes = [json.loads(text)["error"]["code"] for _, _, text in answers]
    assert codes == ["in_flight_limit", "rate_limit_exceeded"]
    assert [headers["x-edgewright-accepted"] for _, headers, _ in answers] == ["false"] * 2
    assert counted == {("phone",): 1}


def test_a_limit_of_thousands_of_digits_is_refused(made):
    async def run():
        gateway = made(backend=[DIGITS])
        client = Client({})
        scope = {"type": "http", "method": "GET", "path": "/v1/receipts", "headers": []}
        scope |= {"query_string": b"limit=" + b"9" * 5000, "root_path": "", "http_version": "1.1"}
        await gateway(scope, client.receive, client.send)
        await closed(gateway)
        return client.status, json.loads(client.parts[0])["error"]["param"]

    assert asyncio.run(run()) == (400, "limit")


def test_a_refused_connection_leaves_nothing_in_the_ledger_of_a_link(made):
    link = {"name": "access", "initial_mbps": 0.008, "delay_ms": 1.0}  # a kilobyte in a second

    async def respond(request):
        raise AssertionError("it has stopped")

    async def run():
        async with server(respond) as url:
            pass
        gateway = made(backend=[upstream(url, link="access")], link=[link])
        answer = await Client({"prompt": "4" * 5000}).ask(gateway)
        await closed(gateway)
        return answer[0], gateway.plan.links["access"].uplink_backlog_mb

    assert asyncio.run(run()) == (503, 0.0)


def test_drift_is_watched_across_the_arms_of_a_comparison(made, bundles, tmp_path, write_config):
    tables = {
        "backend": [DIGITS],
        "policy": {"bundle": str(bundles["se-ppo"])},
        "blocks": {"arms": {"a": "policy", "b": "local"}, "seconds": 1000.0},
    }

    async def run():
        gateway = made(**tables)
        watch, arms, met = gateway.counters.watch, itertools.cycle("ab"), []
        watch.window = 4
        gateway.plan.blocks.now = lambda: (0, next(arms))
        for _ in range(8):
            await Client({"prompt": "4", "size": "8x8"}).ask(gateway)
            met.append((len(watch._rows), len(watch._rewards)))
        watch.look()
        refused = {"prompt": "4", "size": "8x8", "edgewright": {"deadline_ms": -1}}
        assert (await Client(refused).ask(gateway))[0] == 400
        assert not watch._rewards
        await closed(gateway)
        return watch, met

    watch, met = asyncio.run(run())
    assert met == [(n, (n + 1) // 2) for n in range(1, 9)]  # rewards of the bundle alone
    assert (watch.decisions, watch.looks) == (8, 1)
