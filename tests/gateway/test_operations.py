"""Operating a gateway: reload, drain, keys, limits, metrics (G6: 19 to 24)."""

import hashlib
import json
import signal
import sqlite3
import threading
import time

import openai
import pytest

from edgewright.gateway.counters import MAX_VALUES, Counters

SECRET_PROMPT = "a very private wish 4711"


def test_19_a_bad_configuration_changes_nothing_and_says_why(gateway, write_config, soon):
    with gateway() as service:
        before = service.state()["config"]
        assert before["problem"] == ""
        broken = [{"name": "a", "kind": "digits", "location": 0, "steps": [2, 4, 8], "speed": -1.0}]
        write_config(service.config.parent, backend=broken)
        service.process.send_signal(signal.SIGHUP)
        problem = soon(lambda: service.state()["config"]["problem"])
        assert "backend[0].speed: must be greater than 0; got -1.0" in problem
        assert service.state()["config"]["digest"] == before["digest"]
        assert [*service.state()["backends"]] == ["device", "edge"]
        assert service.image()[0] == 200
        assert service.metric("edgewright_gateway_reloads_total", result="refused") == 1
        write_config(service.config.parent, gateway={"port": 1})
        service.process.send_signal(signal.SIGHUP)
        soon(lambda: "gateway.port: cannot change" in service.state()["config"]["problem"])
        write_config(service.config.parent, policy={"fallback": "fastest"})
        service.process.send_signal(signal.SIGHUP)
        soon(lambda: service.state()["config"]["problem"] == "")
        assert service.state()["config"]["digest"] != before["digest"]
        assert service.state()["policy"] == "rule:fastest"


def test_a_changed_file_is_taken_up_without_a_signal(gateway, write_config, soon):
    with gateway(gateway={"watch_s": 0.1}) as service:
        write_config(
            service.config.parent, gateway={"watch_s": 0.1}, policy={"fallback": "fastest"}
        )
        soon(lambda: service.state()["policy"] == "rule:fastest")


def test_20_reloads_under_load_lose_no_request(gateway, write_config, device, edge, together):
    slow = {**edge, "speed": 0.3}
    with gateway(backend=[device, edge]) as service:
        statuses, over = [], threading.Event()

        def ask():
            while not over.is_set():
                statuses.append(service.image({"size": "64x64", "quality": "low"})[0])

        def reload():
            for number in range(10):
                backends = [device, slow if number % 2 else edge]  # the second is made anew
                policy = {"fallback": "fastest" if number % 3 else "least-delay"}
                write_config(service.config.parent, backend=backends, policy=policy)
                service.process.send_signal(signal.SIGHUP)
                time.sleep(0.2)
            over.set()

        together(reload, ask, ask, ask, ask)
        assert len(statuses) > 40
        assert {*statuses} == {200}
        assert service.metric("edgewright_gateway_reloads_total", result="taken") >= 5
        assert service.metric("edgewright_gateway_reloads_total", result="refused") == 0


def test_21_a_stop_signal_finishes_what_is_under_way(gateway, device, soon):
    slow = {**device, "step_ms": 10.0, "speed": 0.02}
    with gateway(backend=[slow], gateway={"drain_s": 0.5, "probe_port": 0}) as service:
        results = []
        thread = threading.Thread(target=lambda: results.append(service.image()))
        thread.start()
        soon(lambda: service.backend("device")["queued"] == 1)
        probes = soon(lambda: [line for line in service.said if "probes on" in line])
        url = probes[0].split()[-1]
        service.process.send_signal(signal.SIGTERM)
        status = soon(lambda: _status(f"{url}/readyz") == 503)
        thread.join()
        assert results[0][0] == 200
        assert status
        assert service.process.wait(10) == 0


def _status(url):
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_22_ten_thousand_model_names_make_few_series():
    counters = Counters()
    for number in range(10_000):
        counters.took("image_generation", f"model-{number}", "", 0.1)
    lines = [line for line in counters.text([]).decode().splitlines() if "_count{" in line]
    assert len(lines) == MAX_VALUES + 1
    assert any('"other"' in line and line.endswith("9950.0") for line in lines)


def test_22_model_names_of_requests_are_capped_too(gateway):
    with gateway() as service:
        for number in range(MAX_VALUES + 20):
            service.image({"model": f"model-{number}", "size": "8x8", "quality": "low"})
        text = service.get("/metrics")
        lines = [line for line in text.splitlines() if "request_duration_seconds_count{" in line]
        assert len(lines) == MAX_VALUES + 1


def test_23_no_prompt_is_in_logs_metrics_or_receipts(gateway, bundles, tmp_path, device, edge):
    policy = {"bundle": str(bundles["se-ppo"])}
    for prompts in ("none", "hash"):
        log = {"path": f"{prompts}.db", "prompts": prompts}
        with gateway(log=log, policy=policy) as service:
            answer = service.image({"prompt": SECRET_PROMPT})
            service.image({"prompt": SECRET_PROMPT, "quality": "nonsense"})
            texts = [service.get("/metrics"), json.dumps(service.receipts()), repr(answer[1])]
            texts += [json.dumps(answer[2]["edgewright"]), json.dumps(service.state())]
            hashes = [one["asked"].get("prompt_hash") for one in service.receipts()]
        texts += service.said
        with sqlite3.connect(tmp_path / f"{prompts}.db") as database:
            texts += list(database.iterdump())
        database.close()
        assert all(SECRET_PROMPT not in text for text in texts)
        plain = hashlib.sha256(SECRET_PROMPT.encode()).hexdigest()
        assert all(plain[:16] not in text for text in texts)
        assert all(hashes) == (prompts == "hash")


def hashed(key):
    return hashlib.sha256(key.encode()).hexdigest()


def test_24_keys_and_their_limits(gateway, device, soon, together):
    keys = [
        {"sha256": hashed("first-key"), "name": "first", "rpm": 3},
        {"sha256": hashed("second-key"), "name": "second", "in_flight": 1},
    ]
    slow = {**device, "step_ms": 10.0, "speed": 0.1}
    with gateway(backend=[slow], key=keys) as service:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "first-key"}):
            status, given, body = service.image({}, headers)
            assert (status, given["www-authenticate"]) == (401, "Bearer")
            assert body["error"]["code"] == "invalid_api_key"
        client = service.client(api_key="first-key")
        raw = client.images.with_raw_response.generate(prompt="4", size="8x8")
        assert raw.headers["x-ratelimit-limit-requests"] == "3"
        assert raw.headers["x-ratelimit-remaining-requests"] == "2"
        for _ in range(2):
            client.images.generate(prompt="4", size="8x8")
        with pytest.raises(openai.RateLimitError) as caught:
            client.images.generate(prompt="4", size="8x8")
        headers = caught.value.response.headers
        assert caught.value.code == "rate_limit_exceeded"
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert 0 < int(headers["retry-after-ms"]) <= 20_000
        second = {"Authorization": "Bearer second-key"}
        answers = together(*[lambda: service.image({}, second)] * 3)
        assert sorted(answer[0] for answer in answers) == [200, 429, 429]
        service.image({"size": "8x8"}, second)
        own = raw.headers["x-edgewright-receipt"]
        assert json.loads(service.get(f"/v1/receipts/{own}", "first-key"))["id"] == own
        with pytest.raises(Exception, match="404"):
            service.get(f"/v1/receipts/{own}", "second-key")
        assert service.get("/healthz") == '{"alive":true}'
        assert "edgewright_gateway_refused_total" in service.get("/metrics")


def test_a_body_that_is_too_large_is_refused(gateway):
    with gateway(gateway={"max_body_bytes": 1000, "max_prompt_chars": 100}) as service:
        status, _, body = service.image({"prompt": "x" * 101})
        assert (status, body["error"]["param"]) == (400, "prompt")
        status, _, body = service.image({"prompt": "x" * 2000})
        assert (status, body["error"]["code"]) == (413, "body_too_large")


def test_a_request_that_is_not_http_gets_the_envelope(gateway):
    import socket

    with gateway() as service, socket.create_connection(("127.0.0.1", service.port)) as one:
        one.sendall(b"nonsense\r\n\r\n")
        answer = one.recv(65536)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"\r\nx-edgewright-accepted: false\r\n" in answer
        error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        assert error["type"] == "invalid_request_error"
