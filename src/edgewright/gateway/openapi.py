"""The OpenAPI document of a gateway, made from the configuration that is applied."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from edgewright.core.version import __version__
from edgewright.gateway.backends import png
from edgewright.gateway.chat import EFFORTS
from edgewright.gateway.config import MULTIPLE, SHEET
from edgewright.gateway.images import EXTRA, FORMATS
from edgewright.gateway.literals import FREE
from edgewright.gateway.plan import Plan

ID_PATTERN = "^[0-9a-f]{12}-[0-9a-f]{1,16}$"
MAX_LISTED = 1000
_PROBES = ("/healthz", "/readyz", "/metrics")


def document(plan: Plan) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a gateway with this plan."""
    paths: dict[str, Any] = {
        "/v1/images/generations": {"post": _generation(plan)},
        "/v1/images/edits": {"post": _edit(plan)},
        "/v1/chat/completions": {"post": _completion()},
        "/v1/models": {"get": _get("models", _list())},
        "/v1/models/{id}": {
            "get": _get("a model", _object("id", "object"), _path("id", {}), "404")
        },
        "/v1/receipts": {"get": _receipts()},
        "/v1/receipts/{id}": {
            "get": _get(
                "a receipt",
                _object("id", "status", "asked"),
                _path("id", {"pattern": ID_PATTERN}),
                "404",
            )
        },
        "/v1/state": {"get": _get("the state", _object("config", "backends", "links"))},
        "/healthz": {"get": _get("whether the process runs", _object("alive"))},
        "/readyz": {"get": _get("whether requests can be sent", _object("ready"))},
        "/metrics": {"get": {"responses": {"200": _answer("metrics", "text/plain", {})}}},
    }
    paths["/readyz"]["get"]["responses"]["503"] = _answer("not now", "application/json", _object())
    if plan.config.key:
        for path, operations in paths.items():
            for operation in () if path in _PROBES else operations.values():
                operation["security"] = [{"key": []}]
                operation["responses"]["401"] = _error("no valid key")
    schemes = {"key": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Edgewright gateway", "version": __version__},
        "paths": paths,
        "components": {"securitySchemes": schemes},
    }


def _generation(plan: Plan) -> dict[str, Any]:
    """Return the operation that asks for images."""
    image = _object("created", "data", "quality", "size", "output_format", "usage")
    return _post(_image_fields(plan), ["prompt"], image)


def _edit(plan: Plan) -> dict[str, Any]:
    """Return the operation that edits images; its JSON form, beside which it takes files."""
    sample = base64.b64encode(png.encode(np.zeros((MULTIPLE, MULTIPLE), np.uint8))).decode()
    fields = _image_fields(plan) | {
        "image": {
            "enum": [sample, [sample]],
            "description": "or another file in base64",
        },
        "size": {"enum": ["auto", None], "description": "or WxH"},
    }
    image = _object("created", "data", "quality", "size", "output_format", "usage")
    return _post(fields, ["prompt", "image"], image)


def _image_fields(plan: Plan) -> dict[str, Any]:
    """Return the fields of a request for images."""
    table = plan.config.gateway
    sides = "|".join(str(side) for side in range(MULTIPLE, SHEET + 1, MULTIPLE))
    size = {
        "type": ["string", "null"],
        "pattern": f"^(auto|({sides})x({sides}))$",
        "description": f"larger ones too, up to {table.max_pixels} pixels in all images",
    }
    return {
        "prompt": {"type": "string", "minLength": 1, "maxLength": table.max_prompt_chars},
        "model": {"type": ["string", "null"], "description": "auto, or any name"},
        "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 10},
        "size": size,
        "quality": {"enum": [FREE, *plan.levels, None]},
        "stream": {"type": ["boolean", "null"]},
        "partial_images": {"type": ["integer", "null"], "minimum": 0, "maximum": 3},
        "response_format": {"enum": [*FORMATS, None]},
        "output_format": {"enum": ["png", None]},
        EXTRA: _claims(plan),
    }


def _completion() -> dict[str, Any]:
    """Return the operation that asks for a chat completion."""
    message = {"type": "object", "properties": {"role": {"type": "string"}}, "required": ["role"]}
    fields = {
        "messages": {"type": "array", "minItems": 1, "items": message},
        "model": {"type": ["string", "null"], "description": "auto, or any name"},
        "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 128},
        "reasoning_effort": {"enum": [*EFFORTS, None]},
        "stream": {"type": ["boolean", "null"]},
    }
    return _post(fields, ["messages"], _object())


def _claims(plan: Plan) -> dict[str, Any]:
    """Return the schema of a client's statements about itself."""
    modes = [*plan.policy.modes] if plan.policy else []
    return {
        "type": ["object", "null"],
        "properties": {
            "mode": {"enum": [*modes, None]} if modes else {"type": ["string", "null"]},
            "charge_pct": {"type": ["number", "null"], "minimum": 0, "maximum": 100},
            "deadline_ms": {"type": ["number", "null"], "minimum": 1, "maximum": 86_400_000},
            "seed": {"type": ["integer", "null"], "minimum": 0, "maximum": 2**63 - 1},
        },
    }


def _post(fields: dict[str, Any], required: list[str], answer: dict[str, Any]) -> dict[str, Any]:
    body = {"type": "object", "properties": fields, "required": required}
    problems = {
        "400": "a field is missing or wrong",
        "404": "no back end answers such requests",
        "413": "the body is too large",
        "415": "the body is not said to be JSON",
        "429": "a limit is reached, or all queues are full",
        "502": "a back end failed after it accepted the request",
        "503": "no back end can be reached, or none meets the deadline",
    }
    content = {
        "application/json": {"schema": answer},
        "text/event-stream": {},
    }
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {"description": "made", "content": content},
            **{status: _error(about) for status, about in problems.items()},
        },
    }


def _receipts() -> dict[str, Any]:
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LISTED}
    parameters = [
        {"name": "after", "in": "query", "schema": {"type": "string", "pattern": ID_PATTERN}},
        {"name": "limit", "in": "query", "schema": limit},
    ]
    return _get("receipts", _list(), parameters, "400")


def _get(
    about: str,
    schema: dict[str, Any],
    parameters: list[dict[str, Any]] | None = None,
    problem: str | None = None,
) -> dict[str, Any]:
    responses = {"200": _answer(about, "application/json", schema)}
    if problem is not None:
        responses[problem] = _error("it is unknown or wrong")
    return {"parameters": parameters or [], "responses": responses}


def _path(name: str, schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string", **schema}}]


def _object(*required: str) -> dict[str, Any]:
    return {"type": "object", "required": [*required]}


def _list() -> dict[str, Any]:
    data = {"type": "array", "items": _object("id")}
    return {**_object("object", "data"), "properties": {"data": data}}


def _answer(about: str, kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": about, "content": {kind: {"schema": schema}}}


def _error(about: str) -> dict[str, Any]:
    names = ["message", "type", "param", "code"]
    error = {**_object(*names), "properties": {"message": {"type": "string"}}}
    schema = {**_object("error"), "properties": {"error": error}}
    return _answer(about, "application/json", schema)
