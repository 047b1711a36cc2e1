"""What a gateway must not do to its back ends or its clients (G6: 6 to 11)."""

import json
import socket
import threading
import time

import httpx2
import openai
import pytest

SLOW = {"steps": [10, 20, 40], "step_ms": 2.0, "speed": 0.01}
"""Steps of 200 ms."""

STEP_S = 0.2


@pytest.fixture
def worker(gateway, device):
    """Return what runs a generator behind a port of its own: a gateway with one back end."""

    def start(name, port=0, **settings):
        backend = {**device, "name": name, "speed": 0.5, **settings}
        return gateway(f"{name}.toml", gateway={"port": port}, backend=[backend])

    return start


def upstream(service, name, location, **settings):
    """Return the back end that stands for a worker."""
    return {
        "name": name, "kind": "upstream", "location": location, "url": f"{service.url}/v1",
        "levels": [{"quality": one} for one in ("low", "medium", "high")],
        "seconds": [0.1, 0.2, 0.4], **settings,
    }  # fmt: skip


class Asked(threading.Thread):
    """Asks for an image in a thread; ``result`` is the answer, or the error."""

    def __init__(self, service, **options):
        super().__init__()
        self.service, self.options, self.result = service, options, None
        self.start()

    def run(self):
        try:
            client = self.service.client(**self.options)
            self.result = client.images.with_raw_response.generate(prompt="4")
        except Exception as error:
            self.result = error


@pytest.mark.parametrize("stream", [False, True])
def test_6_a_short_timeout_cancels_the_work_at_the_next_step(gateway, device, soon, stream):
    with gateway(backend=[{**device, **SLOW}]) as service:
        client = service.client(timeout=0.5, max_retries=2)
        with pytest.raises((openai.APITimeoutError, httpx2.ReadTimeout)):
            list(client.images.generate(prompt="4", quality="high", stream=stream))
        requests = 1 if stream else 3  # a stream that began is not asked for again
        soon(lambda: service.backend("device")["queued"] == 0, STEP_S + 1.5)
        assert service.backend("device")["queue_work_s"] == 0.0
        receipts = service.receipts()
        assert [one["status"] for one in receipts] == ["cancelled"] * requests
        assert service.metric("edgewright_gateway_client_retries_total") == requests - 1
        assert service.metric("edgewright_gateway_cancelled_total", stage="running") == requests
        assert service.metric("edgewright_gateway_images_total") == 0
        assert service.backend("device")["breaker"] == "closed"
        began = time.monotonic()  # the generator is free: the next image takes its own time only
        service.image({"quality": "low", "size": "8x8"})
        assert time.monotonic() - began < STEP_S + 1.5


def test_6_a_queued_request_leaves_the_queue(gateway, device, soon):
    with gateway(backend=[{**device, **SLOW}]) as service:
        first = Asked(service)
        soon(lambda: service.backend("device")["queued"] == 1)
        with pytest.raises(openai.APITimeoutError):
            service.client(timeout=0.3).images.generate(prompt="4")
        soon(lambda: service.backend("device")["queued"] == 1, 0.5)
        assert service.metric("edgewright_gateway_cancelled_total", stage="queued") == 1
        first.join()
        assert first.result.headers["x-edgewright-backend"] == "device"


def test_6_cancelling_reaches_the_worker_behind_an_upstream(worker, gateway, soon):
    with worker("w1", **SLOW) as one, gateway(backend=[upstream(one, "w1", 1)]) as service:
        with pytest.raises(openai.APITimeoutError):
            service.client(timeout=0.5).images.generate(prompt="4")
        soon(lambda: one.metric("edgewright_gateway_cancelled_total") == 1, STEP_S + 1.5)
        assert one.backend("w1")["queued"] == service.backend("w1")["queued"] == 0
        assert service.backend("w1")["breaker"] == "closed"


def test_7_a_worker_that_is_killed_costs_one_error_and_no_second_generation(worker, gateway, soon):
    with worker("w1", **SLOW) as one, worker("w2") as two:
        backends = [upstream(one, "w1", 1), upstream(two, "w2", 2, seconds=[1.0, 2.0, 3.0])]
        with gateway(backend=backends) as service:
            asked = Asked(service, max_retries=2)
            soon(lambda: one.backend("w1")["queued"] == 1)
            one.process.kill()
            asked.join()
            error = asked.result
            assert isinstance(error, openai.InternalServerError)
            assert error.status_code == 502
            assert error.response.headers["x-should-retry"] == "false"
            assert [r["status"] for r in service.receipts()] == ["failed"]
            assert two.backend("w2")["images"] == 0
            _, headers, _ = service.image()
            assert headers["x-edgewright-backend"] == "w2"
            assert two.backend("w2")["images"] == 1
            assert service.backend("w1")["breaker"] == "open"


def test_8_a_refused_connection_is_served_elsewhere_by_one_generation(worker, gateway):
    with worker("w1") as one, worker("w2") as two:
        one.process.kill()
        one.process.wait()
        backends = [upstream(one, "w1", 1), upstream(two, "w2", 2, seconds=[1.0, 2.0, 3.0])]
        with gateway(backend=backends) as service:
            raw = service.client().images.with_raw_response.generate(prompt="4")
            assert raw.headers["x-edgewright-backend"] == "w2"
            (receipt,) = service.receipts()
            assert [line.partition(":")[0] for line in receipt["not_accepted"]] == ["w1"]
            assert two.backend("w2")["images"] == 1


def test_8_a_worker_that_is_full_is_passed_by(worker, gateway, soon):
    with worker("w1", queue=0, **SLOW) as one, worker("w2") as two:
        backends = [upstream(one, "w1", 1), upstream(two, "w2", 2, seconds=[1.0, 2.0, 3.0])]
        with gateway(backend=backends) as service:
            first = Asked(one)
            soon(lambda: one.backend("w1")["queued"] == 1)
            raw = service.client().images.with_raw_response.generate(prompt="4")
            assert raw.headers["x-edgewright-backend"] == "w2"
            assert service.backend("w1")["breaker"] == "closed"
            first.join()
            assert one.backend("w1")["images"] == 1


def test_9_a_thousand_clients_that_go_away_leave_the_breakers_closed(gateway, device, soon):
    body = json.dumps({"prompt": "4", "size": "8x8"}).encode()
    head = b"POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    request = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    slow = {**device, **SLOW, "step_ms": 2000.0, "queue": 5000}
    with gateway(backend=[slow]) as service:
        for _ in range(20):
            sockets = []
            for _ in range(50):
                sockets.append(socket.create_connection(("127.0.0.1", service.port)))
                sockets[-1].sendall(request)
            soon(lambda: service.backend("device")["queued"] == 50)
            for one in sockets:
                one.close()
            soon(lambda: service.backend("device")["queued"] == 0)
        assert service.metric("edgewright_gateway_cancelled_total") == 1000
        assert service.backend("device")["breaker"] == "closed"
        assert service.backend("device")["breaker_opened"] == 0


def test_10_a_breaker_opens_after_one_transport_failure_and_recovers(worker, gateway, soon):
    with worker("w1") as one, worker("w2") as two:
        backends = [upstream(one, "w1", 1), upstream(two, "w2", 2, seconds=[1.0, 2.0, 3.0])]
        breaker = {"cooldown_s": 0.4, "cooldown_max_s": 0.8}
        with gateway(backend=backends, breaker=breaker) as service:
            one.process.kill()
            one.process.wait()
            service.image()
            assert service.backend("w1")["breaker"] == "open"
            service.image()
            first, second = service.receipts()
            assert len(first["not_accepted"]) == 1
            assert second["not_accepted"] == []
            soon(lambda: service.backend("w1")["breaker"] == "half-open")
            service.image()  # the probe fails: the breaker is open for twice the time
            assert len(service.receipts()[-1]["not_accepted"]) == 1
            assert service.backend("w1")["breaker"] == "open"
            with worker("w1", port=one.port) as again:
                soon(lambda: service.backend("w1")["breaker"] == "half-open")
                _, headers, _ = service.image()
                assert headers["x-edgewright-backend"] == "w1"
                assert again.backend("w1")["images"] == 1
                assert service.backend("w1")["breaker"] == "closed"


def test_11_a_full_queue_says_when_to_come_again(gateway, device, soon):
    slow = {**device, **SLOW, "queue": 1, "steps": [10, 15, 20]}
    with gateway(backend=[slow]) as service:
        ends = []
        running = Asked(service)
        soon(lambda: service.backend("device")["queued"] == 1)
        waiting = Asked(service)
        soon(lambda: service.backend("device")["queued"] == 2)
        asked = time.monotonic()
        status, headers, body = service.image()
        running.join()
        ends.append(time.monotonic())
        assert status == 429
        assert body["error"]["code"] == "queue_full"
        assert headers["x-edgewright-accepted"] == "false"
        drained_s = ends[0] - asked
        assert int(headers["retry-after-ms"]) / 1e3 == pytest.approx(drained_s, rel=0.4)
        assert service.metric("edgewright_gateway_shed_total", reason="queue_full") == 1
        assert service.image({"size": "8x8"})[0] == 200
        waiting.join()


def test_an_upstream_that_refuses_a_request_is_quoted_and_not_punished(worker, gateway):
    with worker("w1") as one:
        levels = [{"quality": "nonsense"}] * 3
        with gateway(backend=[upstream(one, "w1", 1, levels=levels)]) as service:
            status, _, body = service.image()
            assert status == 400
            assert "unknown quality 'nonsense'" in body["error"]["message"]
            assert service.backend("w1")["breaker"] == "closed"


def test_an_upstream_without_images_is_a_bad_gateway(gateway):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listening.getsockname()[1]
        backend = {
            "name": "w1", "kind": "upstream", "location": 0, "url": f"http://127.0.0.1:{port}/v1",
            "levels": [{}, {}, {}], "seconds": [1.0, 1.0, 1.0],
        }  # fmt: skip
        with gateway(backend=[backend]) as service:
            status, headers, body = service.image()
            assert (status, headers["x-should-retry"]) == (502, "false")
            assert "holds no images" in body["error"]["message"]
        thread.join()
