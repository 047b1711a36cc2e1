"""Answer one request from its body to its receipt, whatever it asks for."""

from __future__ import annotations

import pathlib
import time
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from edgewright.gateway import clock
from edgewright.gateway.backend import CHAT
from edgewright.gateway.canary import settle
from edgewright.gateway.chat import read_chat
from edgewright.gateway.decide import Decision, Request
from edgewright.gateway.edits import read_edit
from edgewright.gateway.errors import APIError, unforeseen
from edgewright.gateway.generate import Generation
from edgewright.gateway.images import Claims, read_claims, read_request
from edgewright.gateway.keys import Client
from edgewright.gateway.literals import shown_literal
from edgewright.gateway.log import reward_of
from edgewright.gateway.multipart import parse_form
from edgewright.gateway.options import Chooser
from edgewright.gateway.plan import Plan
from edgewright.gateway.receipts import CANCELLED, FAILED, REFUSED, RUNNING, Receipt
from edgewright.gateway.settings import GatewayTable
from edgewright.gateway.streams import (
    Answer,
    ClientGone,
    Receive,
    send_chat,
    send_stream,
    send_whole,
    while_connected,
)

if TYPE_CHECKING:
    from edgewright.gateway.app import Gateway

Reader = Callable[[Mapping[str, Any], int, GatewayTable, dict[str, int]], Request]

READERS: dict[str, tuple[str, Reader]] = {
    "/v1/images/generations": ("image_generation", read_request),
    "/v1/images/edits": ("image_edit", read_edit),
    "/v1/chat/completions": ("chat", read_chat),
}
"""The paths that ask for something to be generated, with OpenTelemetry's name of each."""


async def ask(
    gateway: Gateway, path: str, answer: Answer, receive: Receive, client: Client, head: Any
) -> None:
    """Answer a request of one of the paths of :data:`READERS`.

    Args:
        head: its headers by their names in lower case.
    """
    began, counters = clock.now(), gateway.counters
    if head.get("x-stainless-retry-count", "0").strip("0"):
        counters.retries += 1
    try:
        body = await read_body(receive, gateway.plan.config.gateway.max_body_bytes, head)
        plan = gateway.plan  # after the body, in which a reload may have come
        content = parse_body(body, head, path)
        claims = read_claims(content, head, plan.policy.modes if plan.policy else ())
        request = READERS[path][1](content, len(body), plan.config.gateway, plan.levels)
        receipt = new_receipt(gateway, plan, request, claims, client)
    except ClientGone:
        return
    except Exception as error:
        refusal = _refusal(gateway, error, path)
        counters.refused[refusal.status] += 1
        await answer.error(refusal, {})
        return
    with plan.used():
        generation = Generation(plan, counters, request, receipt, began)
        await _carried_out(gateway, answer, generation, receive, claims, client, path)


async def _carried_out(
    gateway: Gateway,
    answer: Answer,
    generation: Generation,
    receive: Receive,
    claims: Claims,
    client: Client,
    path: str,
) -> None:
    """Answer a request that was read, with whatever it comes to, and account for it."""
    plan, receipt, counters = generation.plan, generation.receipt, gateway.counters
    chooser = plan.chooser
    if plan.blocks is not None:
        number, arm = plan.blocks.now()
        chooser, receipt.block, receipt.blocks = plan.arms[arm], str(number), plan.blocks
    trial = plan.canary
    if trial is not None:
        receipt.canary = trial.draws()
        chooser = trial.policy if receipt.canary else chooser
        trial.decided(receipt.id, receipt.canary)
    receipt.policy = chooser.label
    problem = "cancelled"
    try:
        work = _answered(gateway, answer, generation, claims, client, chooser)
        await while_connected(work, receive)
        problem = ""
    except ClientGone:
        pass
    except Exception as error:
        refusal = _refusal(gateway, error, receipt.id)
        problem = refusal.code or str(refusal.status)
        counters.refused[refusal.status] += 1
        if not isinstance(error, APIError):
            receipt.status, receipt.problem = FAILED, refusal.message
        elif receipt.status != FAILED:
            receipt.status, receipt.problem = REFUSED, refusal.message
            counters.shed[refusal.code or "other",] += 1
        await answer.error(refusal, receipt.headers())
    finally:
        if receipt.status == RUNNING:  # it went away before anything was sent to a back end
            receipt.status = CANCELLED
        gateway.outcomes.finished(receipt, plan)
        if receipt.option is not None:  # a request that nobody decided says nothing of a policy
            reward = reward_of(receipt, plan)
            counters.watch.reported(receipt.policy, reward)
            if trial is not None and (result := trial.reported(receipt.id, reward)):
                gateway.later(settle(gateway, trial, result))
        seconds = clock.now() - generation.began
        counters.took(READERS[path][0], generation.request.model, problem, seconds)


def _refusal(gateway: Gateway, error: Exception, what: str) -> APIError:
    """Return what the client gets of an error; report one that was not foreseen."""
    if isinstance(error, APIError):
        return error
    frame = traceback.extract_tb(error.__traceback__)[-1]  # its text may hold a prompt
    file = pathlib.Path(frame.filename).name
    gateway.emit(f"{what} failed: {type(error).__name__} at {file}:{frame.lineno}")
    return unforeseen()


async def _answered(
    gateway: Gateway,
    answer: Answer,
    generation: Generation,
    claims: Claims,
    client: Client,
    chooser: Chooser,
) -> None:
    """Generate and send; raises what :class:`Generation` does."""
    plan, receipt, request = generation.plan, generation.receipt, generation.request

    def note(decision: Decision) -> None:
        gateway.outcomes.decided(receipt, decision, plan)
        if not receipt.canary:
            _watch(gateway, plan, decision)
        gateway.shadows.later(plan, receipt, decision)

    number = gateway.receipts.number - 1
    events = generation.events(claims, client, number, chooser, note)
    on_first = gateway.counters.first_partial.add
    if request.modality == CHAT:
        await send_chat(answer, generation, events, on_first)
    elif request.stream:
        await send_stream(answer, generation, events, _literal, on_first)
    else:
        await send_whole(answer, generation, events, _literal)


def _watch(gateway: Gateway, plan: Plan, decision: Decision) -> None:
    """Watch the inputs of the bundle that is loaded now, whichever arm of a comparison decided."""
    loaded = gateway.plan.policy
    if decision.observation is None or plan.policy is None or loaded is None:
        return
    if plan.policy.label == loaded.label:  # else it is a late decision of a plan that was replaced
        gateway.counters.watch.decided(loaded.label, decision.observation)


def new_receipt(
    gateway: Gateway, plan: Plan, request: Request, claims: Claims, client: Client
) -> Receipt:
    """Return the receipt of a request that begins."""
    asked: dict[str, Any] = {
        "kind": request.modality,
        "model": request.model[:100],
        "quality": request.quality,
        "size": "x".join(map(str, request.size)),
        "n": request.count,
        "request_bytes": request.request_bytes,
    }
    if plan.config.log.prompts == "hash":
        asked["prompt_hash"] = gateway.receipts.prompt_hash(request.prompt.encode())
    receipt = gateway.receipts.new(time.time(), client.id, asked)
    if claims.deadline_s is not None:
        receipt.deadline_ms = 1e3 * claims.deadline_s
    return receipt


def _literal(generation: Generation) -> str:
    """Return the quality that an answer states."""
    option = generation.receipt.option
    assert option is not None, "nothing is sent before a decision"
    return shown_literal(option.level, generation.plan.levels)


async def read_body(receive: Receive, most: int, headers: dict[str, str]) -> bytes:
    """Return the whole body.

    Raises:
        APIError: it is larger than ``most`` bytes.
        ClientGone: it did not arrive.
    """
    parts: list[bytes] = []
    arrived = 0
    length, more = int(headers.get("content-length", "0") or 0), True
    while more and length <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        arrived += len(parts[-1])
        more = message.get("more_body", False)
        length = max(length, arrived)
    if length > most:
        message = f"the body is larger than {most} bytes"
        raise APIError(413, message, code="body_too_large", headers={"connection": "close"})
    return b"".join(parts)


FORMS = ("/v1/images/edits",)
"""Paths that take a form with files as well as JSON."""


def parse_body(body: bytes, headers: dict[str, str], path: str) -> dict[str, Any]:
    """Return the fields of a body, of the kinds that its path takes.

    Raises:
        APIError: it is of another kind, or not what it is said to be.
    """
    kind = headers.get("content-type", "")
    if path in FORMS and kind.partition(";")[0].strip().lower() == "multipart/form-data":
        return parse_form(body, kind)
    return parse_object(body, headers)


def parse_object(body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """Return the JSON object in a body.

    Raises:
        APIError: it is not said to be JSON, or is not an object.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        message = "Content-Type must be application/json"
        raise APIError(415, message, code="unsupported_media_type")
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise APIError(400, f"the body must be JSON: {str(error)[:200]}") from None
    if type(content) is not dict:
        raise APIError(400, "the body must be a JSON object")
    return content
