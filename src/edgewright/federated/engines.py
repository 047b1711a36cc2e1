"""Choose what runs the rounds of a construction, which is this process, Flower or processes."""

from __future__ import annotations

import functools
import importlib.util

from edgewright.core.errors import InputError, nearest
from edgewright.federated.rounds import Engine, check_local, run_local
from edgewright.federated.settings import Settings

ENGINES = ("local", "flower", "processes")


def engine_of(name: str, workers: int, settings: Settings) -> Engine:
    """Return an engine by name.

    Args:
        name: ``local`` is NumPy, ``flower`` is Flower's strategy and messages in this process,
            ``processes`` is Flower with real server and client processes on loopback.
        workers: client processes of ``processes``.
        settings: of the construction.

    Raises:
        InputError: the name is unknown, Flower is not installed, or the engine cannot sum in
            secret as the settings ask for.
    """
    if name not in ENGINES:
        message = f"`--engine` must be one of {', '.join(ENGINES)}; got '{name}'"
        raise InputError(message, where="--engine", hint=nearest(name, ENGINES))
    if name == "local":
        check_local(settings)
        return run_local
    if importlib.util.find_spec("flwr") is None:
        message = f"`--engine {name}` needs Flower, which is not installed"
        hint = "install the extra 'federated' in an environment of its own, or use --engine local"
        raise InputError(message, where="--engine", hint=hint)
    if name == "flower":
        from edgewright.federated.flower_strategy import run_flower

        return run_flower
    from edgewright.federated.flower_processes import check_secure_nodes, run_processes

    if settings.aggregation == "secure":
        check_secure_nodes(settings, workers)
    return functools.partial(run_processes, nodes=workers)


__all__ = ["ENGINES", "engine_of"]
