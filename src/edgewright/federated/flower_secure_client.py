"""Answer Flower's messages of SecAgg+ as an edge server, which masks what it uploads.

SecAgg+ is Flower's own (``secaggplus_mod``). It speaks the older records of Flower, named
``fitins`` and ``fitres``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flwr.app import Message  # pyright: ignore[reportMissingImports]
from flwr.client.mod import secaggplus_mod  # pyright: ignore[reportMissingImports]
from flwr.common import (  # pyright: ignore[reportMissingImports]
    Code,
    FitRes,
    Status,
    ndarrays_to_parameters,
    parameters_to_ndarrays,
)
from flwr.common.secure_aggregation.secaggplus_constants import (  # pyright: ignore[reportMissingImports]
    RECORD_KEY_CONFIGS,
)
from flwr.compat.common import recorddict_compat  # pyright: ignore[reportMissingImports]

from edgewright.core.errors import InputError
from edgewright.federated.aggregation import Upload, fault
from edgewright.federated.modules import SHAPES, Model
from edgewright.federated.secure_sums import packed

MALICIOUS = "scale"
"""A server with this fault does not check what it sends."""

Update = Callable[[Model], tuple[Upload, tuple[str, ...]]]
"""The model that was downloaded to an upload and the modules that were asked for."""


def secured(message: Any, context: Any, call_next: Callable[[Any, Any], Any]) -> Any:
    """Mask the answer to a message of SecAgg+, and answer another one where the node permits it.

    Raises:
        InputError: the node was started with ``secure`` and is asked for a plain upload.
    """
    if is_secure(message):
        return secaggplus_mod(message, context, call_next)
    if context.node_config.get("secure"):
        note = "this node masks its uploads, and the driver asks for a plain one"
        raise InputError(note, where="secure", hint="use --setting aggregation=secure")
    return call_next(message, context)


def is_secure(message: Any) -> bool:
    """Return whether a message belongs to SecAgg+."""
    return RECORD_KEY_CONFIGS in message.content.config_records


def secure_config(message: Any) -> dict[str, Any]:
    """Return what a server is asked for."""
    return dict(recorddict_compat.recorddict_to_fitins(message.content, True).config)


def masked_answer(message: Any, update: Update, malicious: bool) -> Any:
    """Return the answer that ``secaggplus_mod`` masks before it leaves the process.

    The cloud cannot check single uploads, so an honest server checks its own.

    Args:
        message: the message of the stage that collects masked vectors.
        update: trains.
        malicious: whether the check is left out.

    Raises:
        InputError: the upload cannot be used.
    """
    inside = recorddict_compat.recorddict_to_fitins(message.content, True)
    model = dict(zip(sorted(SHAPES), parameters_to_ndarrays(inside.parameters), strict=True))
    upload, modules = update(model)
    why = "" if malicious else fault(upload, modules)
    if why:
        raise InputError(why, where="upload", hint="nothing was sent")
    result = FitRes(
        status=Status(code=Code.OK, message=""),
        parameters=ndarrays_to_parameters(packed(upload, model)),
        num_examples=upload.samples,
        metrics={"server": upload.server},
    )
    return Message(recorddict_compat.fitres_to_recorddict(result, True), reply_to=message)


__all__ = ["MALICIOUS", "is_secure", "masked_answer", "secure_config", "secured"]
