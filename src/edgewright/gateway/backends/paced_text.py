"""Run the character model as a server with one queue and one running item, at a stated speed."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from edgewright.gateway import clock
from edgewright.gateway.backends.ngrams import Characters
from edgewright.gateway.jobs import Accepted, BackendError, Chunk, Event, Job, Started
from edgewright.gateway.ledger import Item, Ledger
from edgewright.gateway.settings import BackendTable

CHARACTERS, MAX_CHARACTERS = 200, 2000
"""Length of a text where none is asked for, and at most; a character is a token."""

PIECE = 40
"""Characters of one chunk of a stream."""

_REPEATS = 3


@functools.cache
def measured_s() -> float:
    """Return the time of a candidate of :data:`CHARACTERS` on this machine, the shortest of some.

    Other programs only add.
    """
    model, times = Characters(), []
    for seed in range(_REPEATS):
        began = time.perf_counter()
        model.sample("The gateway ", CHARACTERS, seed)
        times.append(time.perf_counter() - began)
    return min(times)


class PacedText:
    """The character model behind one back end, which sends the likeliest of its candidates."""

    def __init__(self, table: BackendTable) -> None:
        self.table, self._model = table, Characters()
        self._unit_s = measured_s() if table.step_ms is None else 1e-3 * table.step_ms
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"text-{table.name}")

    def expected_s(self, size: tuple[int, int], count: int, level: int) -> float:
        """Return the predicted time of service, of texts of the usual length."""
        return count * self.table.candidates[level] * self._unit_s / self.table.speed

    async def run(self, job: Job, ledger: Ledger, item: Item) -> AsyncGenerator[Event, None]:
        """Yield what happens to a job; see :class:`~edgewright.gateway.jobs.Generator`."""
        content = job.chat or {}
        prompt, length = _prompt(content), _length(content)
        yield Accepted()
        async with self._turn:
            began = clock.now()
            ledger.start(item)
            yield Started()
            tried, unit_s = self.table.candidates[job.level], self._unit_s / self.table.speed
            unit_s *= length / CHARACTERS
            texts: list[str] = []
            for number in range(job.count):
                scored = []
                for candidate in range(tried):
                    seed = _seed(prompt, number, candidate)
                    scored.append(await self._in_thread(prompt, length, seed))
                    done = number * tried + candidate + 1
                    if self.table.speed < 1.0:
                        await clock.sleep_until(began + done * unit_s)
                    ledger.advance(item, done / (job.count * tried))
                texts.append(max(scored, key=lambda one: one[1])[0])
            job.service_s = clock.now() - began
            if self.table.speed < 1.0:
                job.lateness = job.service_s / (job.count * tried * unit_s)
        for part in _answer(content, self.table.name, prompt, texts):
            yield Chunk(part)

    async def _in_thread(self, prompt: str, length: int, seed: int) -> tuple[str, float]:
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._thread, self._model.sample, prompt, length, seed
            )
        except Exception as error:
            raise BackendError(f"{self.table.name} failed: {error}", transport=False) from error

    async def close(self) -> None:
        """Release the thread once its candidate is done."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _prompt(content: Mapping[str, Any]) -> str:
    """Return the text of the last message; only parts that are texts count."""
    last = content["messages"][-1] if content.get("messages") else {}
    given = last.get("content") if isinstance(last, dict) else ""
    if isinstance(given, list):
        texts = [one.get("text") for one in given if isinstance(one, dict)]
        given = " ".join(one for one in texts if isinstance(one, str))
    return given if isinstance(given, str) else ""


def _length(content: Mapping[str, Any]) -> int:
    """Return the characters to write.

    Raises:
        BackendError: the number is not one; the request is at fault.
    """
    for name in ("max_completion_tokens", "max_tokens"):
        value = content.get(name)
        if value is None:
            continue
        if type(value) is not int or not 1 <= value <= 10**9:
            message = f"{name} must be a whole number from 1; got {str(value)[:60]}"
            raise BackendError(message, transport=False, status=400)
        return min(value, MAX_CHARACTERS)
    return CHARACTERS


def _seed(prompt: str, number: int, candidate: int) -> int:
    """Return a seed, the same for the same prompt, so that an answer can be made again."""
    text = f"{number}/{candidate}/{prompt}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _answer(
    content: Mapping[str, Any], name: str, prompt: str, texts: list[str]
) -> Iterator[bytes]:
    """Yield a chat completion in OpenAI's shape, whole or as the chunks of a stream."""
    made = sum(map(len, texts))
    usage = {
        "prompt_tokens": len(prompt),
        "completion_tokens": made,
        "total_tokens": len(prompt) + made,
    }
    common = {"id": f"chatcmpl-{_seed(prompt, 0, 0):016x}", "created": int(time.time())}
    common["model"] = name
    if not content.get("stream"):
        choices = [
            {
                "index": number,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "length",
                "logprobs": None,
            }
            for number, text in enumerate(texts)
        ]
        completion = {**common, "object": "chat.completion", "choices": choices, "usage": usage}
        yield orjson.dumps(completion)
        return

    def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
        body = {**common, "object": "chat.completion.chunk", "choices": choices, **more}
        return b"data: %b\n\n" % orjson.dumps(body)

    for number, text in enumerate(texts):
        for first in range(0, len(text), PIECE):
            delta: dict[str, Any] = {"content": text[first : first + PIECE]}
            delta |= {"role": "assistant"} if not first else {}
            yield event([{"index": number, "delta": delta, "finish_reason": None}])
        yield event([{"index": number, "delta": {}, "finish_reason": "length"}])
    options = content.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        yield event([], usage=usage)
    yield b"data: [DONE]\n\n"
