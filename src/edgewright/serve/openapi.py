"""The OpenAPI document, made from the interface of the bundle that is served."""

from __future__ import annotations

from typing import Any

from edgewright.bundle.interface import MAX_SEED, Field, Interface, OutOfRange, Output
from edgewright.core.version import __version__
from edgewright.serve.settings import Settings

ID_PATTERN = "^[0-9a-f]{12}-[0-9a-f]{1,16}$"
CLIENT_PATTERN, MAX_CLIENT = "^[ -~]*$", 64
"""The name that a client states: printable ASCII, and its most characters."""


def document(interface: Interface, name: str, settings: Settings) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a service with this bundle."""
    paths = _paths(settings.max_batch)
    if settings.token is not None:
        for path in ("/v1/decide", "/v1/outcome", "/v1/policy"):
            for operation in paths[path].values():
                operation["security"] = [{"token": []}]
                operation["responses"]["401"] = _response("no valid token", _ERROR)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Edgewright: {name}", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {
                "Observation": _observation(interface, settings.out_of_range),
                "Decision": _decision(interface),
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _observation(interface: Interface, out_of_range: OutOfRange) -> dict[str, Any]:
    """Return the schema of an observation: the fields of the policy, all required."""
    return {
        "type": "object",
        "properties": {field.name: _field(field, out_of_range) for field in interface.fields},
        "required": [field.name for field in interface.fields],
        "additionalProperties": False,
    }


def _decision(interface: Interface) -> dict[str, Any]:
    """Return the schema of a decision: the outputs of the policy, and what was done for it."""
    outputs = {output.name: _output(output) for output in interface.outputs}
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": ID_PATTERN},
            **outputs,
            "decided_by": {"type": "string", "description": "policy, or the fallback rule"},
            "clamped": {"type": "array", "items": {"type": "string"}},
            "propensity": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": "probability of this decision; 1 where nothing is explored",
            },
            "log": {"enum": ["queued", "written", "dropped", "off"]},
        },
        "required": ["id", *outputs, "decided_by", "clamped", "propensity", "log"],
    }


def _paths(max_batch: int) -> dict[str, Any]:
    """Return the operations by path."""
    bare: dict[str, Any] = {"type": "object"}
    stopping = {"503": "stopping"}
    return {
        "/v1/decide": {"post": _decide(max_batch)},
        "/v1/outcome": {"post": _outcome()},
        "/v1/policy": {"get": _operation("policy", "The manifest of the policy.", bare, {})},
        "/healthz": {"get": _operation("alive", "The process answers.", bare, {})},
        "/readyz": {"get": _operation("ready", "Decisions can be asked for.", bare, stopping)},
    }


def _decide(max_batch: int) -> dict[str, Any]:
    one = {"$ref": "#/components/schemas/Observation"}
    many = {"type": "array", "minItems": 1, "maxItems": max_batch, "items": one}
    request = {"oneOf": [_asked("observation", one), _asked("observations", many)]}
    decision = {"$ref": "#/components/schemas/Decision"}
    answer = {
        "type": "object",
        "properties": {
            "policy": {"type": "string"},
            "decision": decision,
            "decisions": {"type": "array", "items": decision},
        },
        "required": ["policy"],
    }
    errors = {**_WRONG, "503": "the model failed"}
    return _operation("decide", "Decide for observations.", answer, errors, request)


def _outcome() -> dict[str, Any]:
    request = {
        "type": "object",
        "properties": {
            "decision": {"type": "string", "pattern": ID_PATTERN},
            "reward": {"type": "number"},
            "metrics": {"type": "object", "additionalProperties": {"type": "number"}},
        },
        "required": ["decision", "reward"],
        "additionalProperties": False,
    }
    errors = {
        **_WRONG,
        "404": "no such decision",
        "409": "reported before, or no log is kept",
        "503": "the log cannot be written now",
    }
    about = "Report what came of a decision; answered when it is on the disk."
    return _operation("outcome", about, _only("recorded", {"const": True}), errors, request)


_WRONG = {
    "400": "not JSON",
    "413": "too large",
    "415": "Content-Type is not application/json",
    "422": "a field is wrong",
}

_ERROR: dict[str, Any] = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"problem": {"type": "string"}},
            "required": ["problem"],
        }
    },
    "required": ["error"],
}


def _field(field: Field, out_of_range: OutOfRange) -> dict[str, Any]:
    if field.draws:
        text = f"{field.meaning}; {field.allowed}"
        return {"type": "integer", "minimum": 0, "maximum": MAX_SEED, "description": text}
    if field.choices:
        return {"enum": list(field.choices), "description": field.meaning}
    ends = {"minimum": field.low, "maximum": field.high} if out_of_range == "refuse" else {}
    known = {end: value for end, value in ends.items() if value is not None}
    text = f"{field.meaning} [{field.unit}]" if field.unit else field.meaning
    text += f"; {field.allowed}"
    if field.trained is not None:
        text += "; training met {:.7g} to {:.7g}".format(*field.trained)
    return {"type": "number", "format": "float", "description": text, **known}


def _output(output: Output) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": output.kind}
    if output.low is not None and output.high is not None:
        schema |= {"minimum": output.low, "maximum": output.high}
    for count in reversed(output.shape):
        schema = {"type": "array", "items": schema, "minItems": count, "maxItems": count}
    unit = f" [{output.unit}]" if output.unit else ""
    return {**schema, "description": output.meaning + unit}


def _asked(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a request for decisions, which may state who asks."""
    about = "who asks, for the log"
    client = {"type": "string", "maxLength": MAX_CLIENT, "pattern": CLIENT_PATTERN}
    request = _only(name, schema)
    return {**request, "properties": {name: schema, "client": {**client, "description": about}}}


def _only(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: schema},
        "required": [name],
        "additionalProperties": False,
    }


def _response(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _operation(
    name: str,
    text: str,
    answered: dict[str, Any],
    wrong: dict[str, str],
    asked: dict[str, Any] | None = None,
) -> dict[str, Any]:
    responses = {"200": _response("done", answered)}
    responses |= {status: _response(why, _ERROR) for status, why in wrong.items()}
    operation: dict[str, Any] = {"operationId": name, "summary": text, "responses": responses}
    if asked is not None:
        content = {"application/json": {"schema": asked}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation
