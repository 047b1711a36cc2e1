"""Chat completions, and errors in the middle of a stream (G6: 1, 4, 12)."""

import contextlib
import http.server
import json
import threading

import openai
import pytest

USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


class Chat(http.server.BaseHTTPRequestHandler):
    """A server that speaks OpenAI's chat completions, and remembers what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        content = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, content))
        base = {"id": "c", "created": 1, "model": content.get("model", "m")}
        if content.get("stream"):
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            for text in ("to", "be"):
                delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
                self._event({**base, "object": "chat.completion.chunk", "choices": [delta]})
            self._event({**base, "object": "chat.completion.chunk", "choices": [], "usage": USAGE})
            self.wfile.write(b"data: [DONE]\n\n")
            return
        message = {"role": "assistant", "content": "to be"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = {**base, "object": "chat.completion", "choices": [choice], "usage": USAGE}
        body = json.dumps(whole).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _event(self, content):
        self.wfile.write(b"data: %b\n\n" % json.dumps(content).encode())

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Chat) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def chat():
    with serving() as server:
        yield server


def backend(server, **settings):
    return {
        "name": "talker", "kind": "upstream", "modality": "chat", "location": 1,
        "url": f"http://127.0.0.1:{server.server_address[1]}/v1", "model": "small-model",
        "levels": [{"reasoning_effort": one} for one in ("low", "medium", "high")],
        "seconds": [0.001, 0.002, 0.003], **settings,
    }  # fmt: skip


MESSAGES = [{"role": "user", "content": "or not"}]


def test_1_a_completion_with_the_openai_package(gateway, device, chat):
    with gateway(backend=[device, backend(chat)]) as service:
        raw = service.client().chat.completions.with_raw_response.create(
            model="gpt-7", messages=MESSAGES, extra_body={"edgewright": {"deadline_ms": 5000}}
        )
        result = raw.parse()
        assert result.choices[0].message.content == "to be"
        assert result.usage.total_tokens == 3
        assert result.edgewright["backend"] == raw.headers["x-edgewright-backend"] == "talker"
        ((path, content),) = chat.asked
        assert path == "/v1/chat/completions"
        assert content["model"] == "small-model"
        assert content["messages"] == MESSAGES
        assert content["reasoning_effort"] == "medium"
        assert "edgewright" not in content
        (receipt,) = service.receipts()
        assert (receipt["status"], receipt["asked"]["kind"]) == ("done", "chat")


def test_1_a_stream_with_usage_with_the_openai_package(gateway, device, chat):
    with gateway(backend=[device, backend(chat)]) as service:
        chunks = list(
            service.client().chat.completions.create(
                model="auto", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
            )
        )
        assert "".join(one.choices[0].delta.content for one in chunks[:-1]) == "tobe"
        assert chunks[-1].usage.total_tokens == 3
        assert chat.asked[0][1]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("effort", "level"),
    [("none", 0), ("minimal", 0), ("low", 0), ("medium", 1), ("high", 2), ("xhigh", 2), ("max", 2)],
)
def test_14_an_effort_fixes_the_level(gateway, device, chat, effort, level):
    with gateway(backend=[device, backend(chat)]) as service:
        content = {"messages": MESSAGES, "reasoning_effort": effort}
        status, headers, _ = service.send("/v1/chat/completions", content)
        assert status == 200
        assert headers["x-edgewright-quality"].startswith(f"{level}/")
        assert chat.asked[0][1]["reasoning_effort"] == ("low", "medium", "high")[level]


def test_4_errors_of_chat_are_the_envelope(gateway, device, chat):
    with gateway(backend=[device, backend(chat)]) as service:
        wrong = [
            ({}, "messages"),
            ({"messages": []}, "messages"),
            ({"messages": MESSAGES, "reasoning_effort": "auto"}, "reasoning_effort"),
            ({"messages": MESSAGES, "stream": 1}, "stream"),
            ({"messages": MESSAGES, "model": "device"}, "model"),
        ]
        for content, param in wrong:
            status, _, body = service.send("/v1/chat/completions", content)
            assert (status, body["error"]["param"]) == (400, param)
        assert chat.asked == []


def test_12_an_image_request_never_reaches_a_chat_back_end(gateway, device, chat, soon):
    busy = {**device, "queue": 0, "step_ms": 100.0, "speed": 0.1}
    with gateway(backend=[busy, backend(chat)]) as service:
        first = threading.Thread(target=service.image)
        first.start()
        soon(lambda: service.backend("device")["queued"] == 1)
        status, _, body = service.image()  # the chat back end is free, and no help
        assert (status, body["error"]["code"]) == (429, "queue_full")
        status, _, body = service.image({"model": "talker"})
        assert (status, body["error"]["param"]) == (400, "model")
        first.join()
        assert chat.asked == []
    with gateway("images.toml", backend=[device]) as service:
        status, _, body = service.send("/v1/chat/completions", {"messages": MESSAGES})
        assert (status, body["error"]["code"]) == (404, "model_not_found")


def test_4_an_error_in_the_middle_of_a_stream_is_raised_by_the_package(gateway, device, soon):
    slow = {**device, "name": "w1", "step_ms": 100.0, "speed": 0.1}
    with gateway("worker.toml", backend=[slow]) as worker:
        up = {
            "name": "w1", "kind": "upstream", "location": 1, "url": f"{worker.url}/v1",
            "levels": [{}, {}, {}], "seconds": [1.0, 1.0, 1.0],
        }  # fmt: skip
        with gateway(backend=[up], gateway={"keepalive_s": 0.1}) as service:
            stream = service.client().images.generate(prompt="4", stream=True, partial_images=1)
            soon(lambda: worker.backend("w1")["queued"] == 1)
            worker.process.kill()
            with pytest.raises(openai.APIError, match="'w1' failed after it accepted") as caught:
                list(stream)
            assert caught.value.code == "backend_failed"
            assert [one["status"] for one in service.receipts()] == ["failed"]
