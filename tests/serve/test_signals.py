"""Signals to a service in a process of its own: load again, and stop in good order."""

import contextlib
import signal
import time
import urllib.error

from edgewright.client import Client

READY = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_hangup_right_after_the_address_reloads(serve, bundles, soon):
    with serve(bundles["se-ppo"]) as service:
        service.process.send_signal(signal.SIGHUP)
        soon(lambda: 'reloads_total{result="taken"} 1.0' in service.get("/metrics"))


def test_hangups_while_it_stops_kill_nobody(serve, bundles):
    with serve(bundles["se-ppo"], "--drain", "1") as service:
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        for _ in range(20):
            with contextlib.suppress(ProcessLookupError):
                service.process.send_signal(signal.SIGHUP)
            time.sleep(0.1)  # the fixture sees that it ends well


def test_a_service_that_drains_answers_all_but_whether_it_is_ready(
    serve, bundles, observation, soon
):
    with serve(bundles["se-ppo"], "--drain", "30") as service:
        assert '"ready":true' in service.get("/readyz")
        service.process.send_signal(signal.SIGTERM)

        def draining():
            try:
                service.get("/readyz")
            except urllib.error.HTTPError as error:
                return error.code == 503

        soon(draining)
        with Client(service.url) as client:
            assert client.decide(observation)["decided_by"] == "policy"
        assert service.process.poll() is None
        began = time.monotonic()
    assert time.monotonic() - began < 20  # a second signal does not wait for the rest


def test_half_a_body_does_not_hold_up_the_stop_nor_leave_a_traceback(serve, bundles, read, post):
    with (
        serve(bundles["se-ppo"]) as service,
        service.connect() as half,
        service.connect() as kept,
    ):
        half.sendall(post("/v1/decide", b"{" * 500)[:-400])
        kept.sendall(READY)
        assert read(kept)[0][0][0] == 200
        service.process.send_signal(signal.SIGTERM)
        service.process.wait(8)  # less than the grace
    assert len(service.said) == 1, service.said
