"""Probes under load, silent connections, and a stop that no client notices. Over real sockets."""

import contextlib
import http.client
import re
import signal
import threading
import time
import urllib.error
import urllib.request

import pytest

from edgewright.client import Client

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def probe_url(service, soon):
    return soon(lambda: next((re.search(r"http\S+", s)[0] for s in service.said[1:]), None))


def test_probes_have_a_port_of_their_own_that_no_crowd_fills(serve, bundles, soon):
    with (
        serve(bundles["se-ppo"], "--probe-port", "0", "--max-connections", "2") as service,
        contextlib.ExitStack() as stack,
    ):
        url = probe_url(service, soon)
        for _ in range(60):
            stack.enter_context(service.connect())
        for path, word in (("healthz", "alive"), ("readyz", "true"), ("metrics", "policy_info")):
            with urllib.request.urlopen(f"{url}/{path}", timeout=5) as answer:
                assert word in answer.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{url}/v1/policy", timeout=5)


def test_probes_are_answered_while_the_service_stops(serve, bundles, soon):
    with serve(bundles["se-ppo"], "--probe-port", "0", "--drain", "30") as service:
        url = probe_url(service, soon)
        service.process.send_signal(signal.SIGTERM)

        def status():
            try:
                return urllib.request.urlopen(f"{url}/readyz", timeout=5).status
            except urllib.error.HTTPError as error:
                return error.code

        soon(lambda: status() == 503)
        with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
            assert answer.status == 200


def test_a_probe_port_that_is_taken_is_named(serve, bundles):
    with serve(bundles["se-ppo"]) as service:
        port = str(service.address[1])
        taken = pytest.raises(AssertionError, match=r"--probe-port: cannot listen")
        with taken, serve(bundles["se-ppo"], "--probe-port", port):
            pass


def test_silent_connections_give_way_to_those_that_ask(serve, bundles, read, post, observation):
    decide = post("/v1/decide", {"observation": observation})
    with (
        serve(bundles["se-ppo"], "--max-connections", "30") as service,
        contextlib.ExitStack() as stack,
    ):
        busy = stack.enter_context(service.connect())
        crowd = [stack.enter_context(service.connect()) for _ in range(100)]
        end = time.monotonic() + 1.3  # by then they have been silent for a while
        while time.monotonic() < end:
            busy.sendall(GET)
            assert read(busy)[0][0][0] == 200
        for _ in range(10):
            fresh = stack.enter_context(service.connect())
            fresh.sendall(decide)
            assert read(fresh)[0][0][0] == 200
        busy.sendall(decide)
        assert read(busy)[0][0][0] == 200
        assert len(crowd) == 100


def test_a_stop_resets_no_client_that_keeps_its_connection(serve, bundles):
    ends, errors, ready = [], [], threading.Barrier(9)

    def ask(address):
        connection = http.client.HTTPConnection(*address, timeout=10)
        ready.wait()
        with contextlib.suppress(ConnectionRefusedError):  # nobody new is taken any more
            for _ in range(10**6):
                connection.request("GET", "/healthz")
                answer = connection.getresponse()
                assert answer.read() == b'{"alive":true}'
                if answer.getheader("connection") == "close":
                    ends.append(True)
                    return
                time.sleep(0.02)

    def watched(address):
        try:
            ask(address)
        except Exception as error:
            errors.append(repr(error))

    with serve(bundles["se-ppo"]) as service:
        clients = [threading.Thread(target=watched, args=[service.address]) for _ in range(8)]
        for client in clients:
            client.start()
        ready.wait()
        time.sleep(0.2)
        service.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join(20)
    assert (errors, len(ends)) == ([], 8)


def test_answers_while_draining_end_their_connection(serve, bundles, read, post, observation):
    with serve(bundles["se-ppo"], "--drain", "30") as service, service.connect() as kept:
        kept.sendall(GET)
        assert read(kept)[0][0][0] == 200
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        kept.sendall(post("/v1/decide", {"observation": observation}))
        text = b""
        while more := kept.recv(65536):  # to the end: the service hangs up
            text += more
        assert b"connection: close\r\n" in text
        assert text.startswith(b"HTTP/1.1 200")
        with Client(service.url) as client:
            for _ in range(3):
                assert client.decide(observation)["decided_by"] == "policy"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\nHOST: y\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n", 200),
    ],
)
def test_a_request_names_one_host(serve_once, read, head, status):
    with serve_once.connect() as connection:
        connection.sendall(head)
        [(found, answer)], _ = read(connection)
        assert (found, "error" in answer) == (status, status == 400)


@pytest.fixture(scope="module")
def serve_once(serve, bundles):
    with serve(bundles["se-ppo"]) as service:
        yield service
