"""Answer Flower's messages as an edge server: the ``ClientApp`` of a construction.

Only this module and its siblings ``flower_*`` import Flower (flwr, extra ``federated``).
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
from flwr.app import (  # pyright: ignore[reportMissingImports]
    Array,
    ArrayRecord,
    ConfigRecord,
    Context,
    Message,
    MetricRecord,
    RecordDict,
)
from flwr.clientapp import ClientApp  # pyright: ignore[reportMissingImports]

from edgewright.core.errors import InputError
from edgewright.core.version import __version__
from edgewright.federated.aggregation import Upload
from edgewright.federated.flower_secure_client import (
    MALICIOUS,
    is_secure,
    masked_answer,
    secure_config,
    secured,
)
from edgewright.federated.modules import Model
from edgewright.federated.rounds import Task, Work, client_update
from edgewright.federated.settings import Settings

ARRAYS, CONFIG, METRICS = "arrays", "config", "metrics"
"""Names of the records of a message."""

client_app = ClientApp()


def as_record(model: Model) -> Any:
    """Return arrays as a record of Flower."""
    return ArrayRecord({name: Array(np.ascontiguousarray(a)) for name, a in model.items()})


def as_model(record: Any) -> Model:
    """Return a record of Flower as arrays."""
    return {name: array.numpy() for name, array in record.items()}


def task_config(work: Work, task: Task) -> Any:
    """Return what a server is asked for, as a record of Flower."""
    return ConfigRecord(
        {
            "version": __version__,
            "settings": json.dumps(work.settings.facts()),
            "task": json.dumps(dataclasses.asdict(task)),
            "seed": work.seed,
            "fault": work.faults.get(task.server, ""),
        }
    )


@client_app.query()
def hosted(message: Message, context: Context) -> Message:
    """Answer which servers this node hosts."""
    servers = ConfigRecord({"servers": str(context.node_config.get("servers", ""))})
    return Message(RecordDict({CONFIG: servers}), reply_to=message)


@client_app.train(mods=[secured])
def train(message: Message, context: Context) -> Message:
    """Train one server's modules on its own data and answer with parameters and statistics.

    Raises:
        InputError: the driver has another version, or the server is hosted elsewhere.
    """
    if is_secure(message):
        config = secure_config(message)
        malicious = config["fault"] == MALICIOUS
        return masked_answer(message, lambda model: upload_for(config, model, context), malicious)
    upload, _ = upload_for(message.content[CONFIG], as_model(message.content[ARRAYS]), context)
    metrics = MetricRecord({"num-examples": upload.samples, "server": upload.server})
    content = RecordDict({ARRAYS: as_record(upload.arrays), METRICS: metrics})
    return Message(content, reply_to=message)


def upload_for(config: Any, model: Model, context: Context) -> tuple[Upload, tuple[str, ...]]:
    """Return the upload that a message asks for, and the modules that it names.

    Args:
        config: of :func:`task_config`.
        model: what the message holds.
        context: of the node.

    Raises:
        InputError: the driver has another version, or the server is hosted elsewhere.
    """
    if config["version"] != __version__:
        note = f"the driver has version {config['version']}, this client {__version__}"
        raise InputError(note, where="version", hint="install one version everywhere")
    task = json.loads(config["task"])
    task = Task(**{**task, "modules": tuple(task["modules"])})
    if str(task.server) not in str(context.node_config.get("servers", "")).split("-"):
        note = f"this node does not host server {task.server}"
        raise InputError(note, where="servers", hint="name it in --node-config servers=...")
    settings = Settings(**json.loads(config["settings"]))
    upload = client_update(settings, int(config["seed"]), model, task, str(config["fault"]))
    return upload, task.modules


__all__ = [
    "ARRAYS",
    "CONFIG",
    "METRICS",
    "as_model",
    "as_record",
    "client_app",
    "task_config",
    "upload_for",
]
