"""Clients that send too much, read nothing, or wish for another protocol. Over real sockets."""

import contextlib
import socket
from pathlib import Path

import pytest

from edgewright.client import Client
from edgewright.serve.protocol import MAX_HEAD, MAX_HEADERS, MAX_PIPELINED, PIECE

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
MAX_BYTES = 20_000_000

linux = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(),
    reason="memory and sockets of another process are read from /proc, which is Linux'",
)


@pytest.fixture(scope="module")
def service(serve, bundles):
    with serve(bundles["se-ppo"], "--client-timeout", "1") as found:
        yield found


def flood(connection, start, more):
    """Send ``start``, and ``more`` again and again until the service hangs up; return how often."""
    sent = len(start)
    with contextlib.suppress(ConnectionError):
        connection.sendall(start)
        while sent < MAX_BYTES:
            connection.sendall(more)
            sent += len(more)
    return sent


CHUNKED = b"POST /v1/decide HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED += b"Transfer-Encoding: chunked\r\n\r\n"
FLOODS = {
    "one header": (GET + b"X: ", b"a" * 100_000),
    "many headers": (GET, b"X: a\r\n" * 10_000),
    "a path": (b"GET /", b"a" * 100_000),
    "a trailer": (CHUNKED + b"2\r\n{}\r\n0\r\nX: ", b"a" * 100_000),
    "many trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: a\r\n" * 10_000),
    "an extension of a chunk": (CHUNKED + b"2;x=", b"a" * 100_000),
    "empty lines": (b"", b"\r\n" * 50_000),
}


@linux
@pytest.mark.parametrize("kind", FLOODS)
def test_a_head_without_end_is_cut_off_and_others_are_served(service, soon, kind):
    before = service.memory_mb()
    with service.connect() as connection:
        assert flood(connection, *FLOODS[kind]) < MAX_BYTES
        with contextlib.suppress(ConnectionError):
            assert connection.recv(1000)[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400", b"")
    assert service.memory_mb() - before < 30
    assert "true" in service.get("/healthz")


@pytest.mark.parametrize("kind", ["one large header", "many headers"])
def test_a_head_that_is_too_large_is_told_so(service, read, kind):
    many = b"".join(b"X-%d: a\r\n" % number for number in range(MAX_HEADERS + 1))
    large = b"X: %b\r\n" % (b"a" * (2 * MAX_HEAD + PIECE))
    with service.connect() as connection:
        connection.sendall(GET + (many if kind == "many headers" else large) + b"\r\n")
        [(status, answer)], _ = read(connection)
        assert (status, "head of the request" in answer["error"]["problem"]) == (431, True)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(1000) == b""
    assert 'edgewright_refused_total{status="431"}' in service.get("/metrics")


def test_heads_of_any_cut_and_order_are_read_up_to_the_limit(service, read, post, observation):
    head = GET + b"X: %b\r\n\r\n" % (b"a" * (MAX_HEAD - 100))
    large = post("/v1/decide", {"observations": [observation] * 300})
    text = head + large + head + GET + b"\r\n" + large + head
    with service.connect() as connection:
        for cut in (1_000_000, 30_011, 16_384, 7_001):
            for start in range(0, len(text), cut):
                connection.sendall(text[start : start + cut])
            found, left = read(connection, 6)
            assert ([status for status, _ in found], left) == ([200] * 6, b"")
            assert [len(answer.get("decisions", [])) for _, answer in found] == [
                0,
                300,
                0,
                0,
                300,
                0,
            ]


@linux
def test_who_never_reads_is_cut_off(service, soon, post, observation):
    many = post("/v1/decide", {"observations": [observation] * 1000})
    before = service.connections()
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(service.address)
            connection.settimeout(0.2)
            with contextlib.suppress(OSError):  # the service stops reading, or hangs up
                for _ in range(60):
                    connection.sendall(many)
        soon(lambda: service.connections() <= before)
    with Client(service.url) as client:
        assert client.decide(observation)["decided_by"] == "policy"


# --- other protocols ---------------------------------------------------------------------------


WISH = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ")


@pytest.mark.parametrize("apart", [False, True], ids=["in one packet", "body apart"])
def test_a_wish_for_another_protocol_is_ignored(service, read, post, observation, apart):
    text = post("/v1/decide", {"observation": observation}, *WISH)
    end = text.index(b"\r\n\r\n") + 4
    with service.connect() as connection:
        for part in (text[:end], text[end:]) if apart else (text,):
            connection.sendall(part)
            if apart and part is text[:end]:
                connection.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    connection.recv(1)  # it waits for the body
                connection.settimeout(10)
        [(status, answer)], left = read(connection)
        assert (status, left) == (200, b"")
        assert answer["decision"]["decided_by"] == "policy"
        connection.sendall(GET + b"\r\n")  # the connection goes on
        assert read(connection) == ([(200, {"alive": True})], b"")


def test_a_body_that_looks_like_a_request_stays_a_body(service, read, post):
    text = post("/v1/decide", GET + b"\r\n", *WISH)
    end = text.index(b"\r\n\r\n") + 4
    with service.connect() as connection:
        connection.sendall(text[:end])
        connection.sendall(text[end:] + GET + b"Connection: close\r\n\r\n")
        found, left = read(connection, 3)
        assert ([status for status, _ in found], left) == ([400, 200], b"")


def test_many_wishes_in_one_packet_are_read_one_by_one(service, read):
    one = b"GET /healthz HTTP/1.1\r\nHost:x\r\nConnection:upgrade\r\nUpgrade:x\r\n\r\n"
    with service.connect() as connection:
        connection.sendall(one * MAX_PIPELINED)
        found, left = read(connection, MAX_PIPELINED)
        assert ({status for status, _ in found}, len(found)) == ({200}, MAX_PIPELINED)
        assert left == b""


def test_requests_that_do_not_wait_for_answers_are_few_and_end_quietly(service, read, post):
    lines = len(service.said)
    with service.connect() as connection:
        connection.sendall((GET + b"\r\n") * 5000)
        [(status, _)], _ = read(connection)
        assert status == 429
    for _ in range(20):  # gone before the answers
        with service.connect() as connection:
            connection.sendall((GET + b"\r\n") * MAX_PIPELINED)
    assert "true" in service.get("/healthz")
    assert len(service.said) == lines


@pytest.mark.parametrize(
    ("text", "status"), [(b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 405), (b"junk\r\n\r\n", 400)]
)
def test_what_is_no_request_is_refused_in_json_and_not_logged(service, read, text, status):
    lines = len(service.said)
    with service.connect() as connection:
        connection.sendall(text)
        [(found, answer)], _ = read(connection)
        assert (found, bool(answer["error"]["problem"])) == (status, True)
    assert len(service.said) == lines


# --- too many ----------------------------------------------------------------------------------


def test_connections_beyond_the_most_are_refused_except_for_probes(
    serve, bundles, read, post, observation
):
    decide = post("/v1/decide", {"observation": observation})
    with serve(bundles["se-ppo"], "--max-connections", "2") as service, contextlib.ExitStack() as s:
        first, second, third = (s.enter_context(service.connect()) for _ in range(3))
        for connection in (first, second):
            connection.sendall(decide)
            assert read(connection)[0][0][0] == 200
        third.sendall(GET + b"\r\n")
        assert read(third)[0] == [(200, {"alive": True})]
        third.sendall(decide)
        [(status, answer)], _ = read(third)
        assert (status, "too many connections" in answer["error"]["problem"]) == (503, True)
        crowd = [s.enter_context(service.connect()) for _ in range(40)]
        statuses = [status for one in crowd[30:] for status, _ in read(one)[0]]
        assert statuses == [503] * 10  # unasked
        first.sendall(decide)
        assert read(first)[0][0][0] == 200
        for one in (*crowd, second, third):
            one.close()
        assert 'edgewright_refused_total{status="503"}' in service.get("/metrics")
        assert sum("--max-connections" in line for line in service.said) == 1
