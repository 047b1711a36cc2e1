"""Our client beside servers that are slow, break off, or answer something else."""

import contextlib
import http.client
import http.server
import json
import socket
import threading
import time

import numpy as np
import pytest

from edgewright.client import Client, ServiceError
from edgewright.core.errors import InputError

OK = "200 OK"


class Server:
    """Answers requests by a function of (their number from 1, path); counts what it executed.

    The function returns (status line, body), or None to break off without a word.
    """

    def __init__(self, answer):
        self.answer, self.executed, self.connections = answer, [], 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            while request := lines.readline():
                length = 0
                while line := lines.readline().strip().lower():
                    if line.startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                lines.read(length)
                path = request.split()[1].decode()
                self.executed.append(path)
                answer = self.answer(len(self.executed), path)
                if answer is None:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                head = f"HTTP/1.1 {answer[0]}\r\nContent-Length: {len(answer[1])}\r\n\r\n"
                connection.sendall((head + answer[1]).encode())


@contextlib.contextmanager
def asking(answer, **options):
    server = Server(answer)
    with server.socket, Client(server.url, **options) as client:
        yield server, client


def decision(name):
    return OK, json.dumps({"decision": {"id": name}})


def test_after_a_timeout_the_next_answer_is_its_own():
    late = threading.Event()

    def answer(number, path):
        if number == 1:
            late.wait(10)
        return decision(str(number))

    with asking(answer, timeout_s=0.3) as (_, client):
        with pytest.raises(TimeoutError):
            client.decide({})
        late.set()
        assert [client.decide({})["id"] for _ in range(2)] == ["2", "3"]


def test_a_decision_is_asked_for_once_and_the_next_call_works():
    with asking(lambda number, path: None if number == 2 else decision("a")) as (server, client):
        client.decide({})
        with pytest.raises(ConnectionError):
            client.decide({})
        assert len(server.executed) == 2
        assert client.decide({})["id"] == "a"


def test_an_outcome_whose_answer_was_lost_is_recorded_and_said_to_be():
    recorded = set()

    def answer(number, path):
        if path != "/v1/outcome":
            return decision("a")
        if recorded:
            message = {"problem": "an outcome of this decision was recorded before"}
            return "409 Conflict", json.dumps({"error": message})
        recorded.add("a")
        return None

    with asking(answer) as (server, client):
        client.outcome(client.decide({})["id"], reward=1.0)
        assert server.executed.count("/v1/outcome") == 2
        with pytest.raises(ServiceError, match="409"):  # not its own try
            client.outcome("a", reward=1.0)


def test_a_conflict_of_another_kind_is_told_after_a_second_try_too():
    conflict = "409 Conflict", json.dumps({"error": {"problem": "this service keeps no log"}})
    with (
        asking(lambda number, path: None if number == 1 else conflict) as (_, client),
        pytest.raises(ServiceError, match="no log"),
    ):
        client.outcome("a", reward=1.0)


@pytest.mark.parametrize("text", ["Service Unavailable", "[1]", '{"error": "full"}', ""])
def test_an_answer_that_is_not_ours_is_told_with_its_status(text):
    with asking(lambda number, path: ("503 Service Unavailable", text)) as (_, client):
        with pytest.raises(ServiceError, match=r"503.*" + text.replace("[", r"\[")[:7]) as found:
            client.decide({})
        assert found.value.status == 503


def test_an_answer_that_is_cut_short_closes_the_connection():
    def answer(number, path):
        return (f"{OK}\r\nContent-Length: 99", "{}") if number == 1 else decision("a")

    with asking(answer, timeout_s=1.0) as (_, client):
        with pytest.raises((http.client.HTTPException, OSError, ServiceError)):
            client.decide({})
        assert client.decide({})["id"] == "a"


def test_a_connection_is_kept_while_it_is_used_and_made_anew_where_it_was_closed(monkeypatch):
    with asking(lambda number, path: decision("a")) as (server, client):
        for _ in range(3):
            client.decide({})
        assert server.connections == 1
        monkeypatch.setattr("edgewright.client.IDLE_S", 0.0)
        time.sleep(0.01)
        client.decide({})
        assert server.connections == 2


def test_a_connection_that_the_service_closed_is_not_written_to(serve, bundles, observation):
    with (
        serve(bundles["se-ppo"], "--client-timeout", "1") as service,
        Client(service.url) as client,
    ):
        client.decide(observation)
        local = client._connection.sock.getsockname()
        client._used = time.monotonic() + 60  # as if it had just been used
        time.sleep(2.5)
        assert client.decide(observation)["decided_by"] == "policy"
        assert client._connection.sock.getsockname() != local


def asked(url, observation):
    """Return the path and the body that a server on a free port gets."""
    heard = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            heard.append((self.path, json.loads(body)["observation"]))
            answer = b'{"decision": {"action": 1}}'
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with Client(url.format(server.server_port)) as client:
            assert client.decide(observation) == {"action": 1}
    return heard[0]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://127.0.0.1:{}", "/v1/decide"),
        ("http://127.0.0.1:{}/", "/v1/decide"),
        ("http://127.0.0.1:{}/edge", "/edge/v1/decide"),
        ("http://127.0.0.1:{}/a/b/", "/a/b/v1/decide"),
        ("127.0.0.1:{}", "/v1/decide"),
        ("localhost:{}/edge", "/edge/v1/decide"),
    ],
)
def test_a_prefix_is_kept_and_a_scheme_is_not_needed(url, path):
    assert asked(url, {"x": 1.0}) == (path, {"x": 1.0})


def test_numbers_of_numpy_are_sent_as_numbers():
    given = {"a": np.float32(0.5), "b": np.int64(3), "c": np.float64(2.5), "d": np.array([1, 2])}
    assert asked("http://127.0.0.1:{}", given)[1] == {"a": 0.5, "b": 3, "c": 2.5, "d": [1, 2]}
    with pytest.raises(TypeError, match="set is not JSON"):
        Client("http://127.0.0.1:1").decide({"a": {1}})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://host",
        "http://",
        "http://u:p@host",
        "http://[::1",
        "http://host?x=1",
        "http://host:port",
    ],
)
def test_what_is_not_an_address_is_refused(url):
    with pytest.raises(InputError, match="url must be the address of a service"):
        Client(url)
