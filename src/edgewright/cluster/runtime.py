"""Join or start a Ray cluster, and check that its workers run the same versions.

Ray: Moritz et al., "Ray: A Distributed Framework for Emerging AI Applications", OSDI 2018,
arXiv:1712.05889. It is imported when it is asked for, and never by what does not use it.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import platform
import re
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jaxlib.version
import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.version import __version__

SECONDS_TO_CONNECT = 5.0
"""Time that a cluster may take to accept a connection [s]."""

SECONDS_TO_START = 120.0
"""Time that all workers may take to start [s]."""

STORE_BYTES = 512 * 2**20
"""Size of the object store of a cluster that is started here."""

_PASSED = ("XLA_FLAGS", "EDGEWRIGHT_CACHE", "EDGEWRIGHT_DATA", "EDGEWRIGHT_LOADED_PLUGINS")
"""Variables of the environment that workers take over."""


def import_ray() -> Any:
    """Return the module ``ray``.

    Raises:
        InputError: it is not installed.
    """
    # Ray would report its use to its makers otherwise.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        return importlib.import_module("ray")
    except ImportError:
        hint = "pip install 'edgewright[ray]', or leave out --engine ray"
        raise InputError("the package ray is not installed", where="--engine", hint=hint) from None


@contextlib.contextmanager
def cluster(workers: int, address: str | None = None, option: str = "--workers") -> Iterator[Any]:
    """Join the cluster at an address, or start one on this machine for as long as it is used.

    Args:
        workers: processes that will be asked for, each with one core.
        address: ``HOST:PORT`` of a running cluster, ``auto``, or None for a new one.
        option: of the command that says how many, for messages.

    Returns:
        the module ``ray``, connected.

    Raises:
        InputError: Ray is not installed, the address does not answer, its versions of Ray or
            Python are others, or it has too few cores.
    """
    ray = import_ray()
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        store = {"object_store_memory": STORE_BYTES}
        # Ray would join a cluster that RAY_ADDRESS or a file in /tmp names otherwise.
        options |= {"address": "local", "num_cpus": workers, "include_dashboard": False, **store}
    else:
        _check_address(address)
        options |= {"address": address}
    options["runtime_env"] = {"env_vars": _environment()}
    # A thread of Ray prints deaths of workers on stdout, where the result as JSON goes.
    with contextlib.redirect_stdout(sys.stderr):
        yield from _connected(ray, options, workers, option)


def _connected(ray: Any, options: dict[str, Any], workers: int, option: str) -> Iterator[Any]:
    """Yield the module, connected, and disconnect it."""
    address = None if options["address"] == "local" else options["address"]
    try:
        with warnings.catch_warnings():
            # Ray starts programs in children, which JAX warns of; they do not use JAX.
            warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
            ray.init(**options)
    except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _refusal(address, error) from error
    try:
        cores = int(ray.cluster_resources().get("CPU", 0))
        if cores < workers:
            message = f"`{option}` must be at most the cluster's cores, {cores}; got {workers}"
            raise InputError(message, where=option, hint=f"e.g. {option} {max(cores, 1)}")
        yield ray
    finally:
        ray.shutdown()


def stay_on(core: int | None) -> None:
    """Let this process run on one core alone; anywhere if None, or where that is not possible."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        available = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {available[core % len(available)]})


def versions() -> dict[str, str]:
    """Return the versions of this process that decide numbers or what can be exchanged."""
    return {
        "edgewright": __version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "jax": jax.__version__,
        "jaxlib": jaxlib.version.__version__,
        "numpy": np.__version__,
    }


def check_versions(worker: Mapping[str, str], where: str) -> None:
    """Check that a worker has the versions of this process.

    Args:
        worker: its :func:`versions`.
        where: names the worker.

    Raises:
        InputError: names the package and both versions.
    """
    for name, ours in versions().items():
        if worker.get(name) != ours:
            message = f"{name} must be {ours}, as here; got {worker.get(name)}"
            hint = "install the same versions on all machines: pip install -c constraints.txt"
            raise InputError(message, where=where, hint=hint)


def started(
    ray: Any,
    refs: Mapping[int, Any],
    seconds: float = SECONDS_TO_START,
    option: str = "--workers",
) -> dict[int, dict[str, str]]:
    """Wait until workers run, check their versions, and return what they answer.

    Args:
        ray: the connected module.
        refs: answers to come of their methods ``ready``, by number of the worker.
        seconds: time that all of them may take together [s].
        option: of the command that says how many, for messages.

    Returns:
        the answer of each worker, with its :func:`versions`.

    Raises:
        InputError: a worker does not start in time or at all, or its versions are others.
    """
    try:
        answers = ray.get(list(refs.values()), timeout=seconds)
    except ray.exceptions.GetTimeoutError as error:
        message = f"{len(refs)} workers did not start within {seconds:.0f} s"
        hint = "ask for fewer workers, or wait until the cluster is free"
        raise InputError(message, where=option, hint=hint) from error
    except ray.exceptions.RayError as error:
        message = f"a worker does not start: {reason_of(error)}"
        hint = "install the same version of edgewright on all machines of the cluster"
        raise InputError(message, where="--address", hint=hint) from error
    for number, answer in zip(refs, answers, strict=True):
        check_versions(answer, f"worker {number}")
    return dict(zip(refs, answers, strict=True))


def reason_of(error: Exception) -> str:
    """Return what an error of Ray says of its cause, on one line."""
    cause = getattr(error, "cause", None)
    lines = [line.strip() for line in str(cause or error).splitlines() if line.strip()]
    if not lines:
        return type(cause or error).__name__
    return f"{type(cause).__name__}: {lines[0]}" if cause else lines[-1]


def _environment() -> dict[str, str]:
    variables = {name: os.environ[name] for name in _PASSED if name in os.environ}
    if data := variables.get("EDGEWRIGHT_DATA"):
        variables["EDGEWRIGHT_DATA"] = os.path.abspath(data)  # workers run in other folders
    return {"TF_CPP_MIN_LOG_LEVEL": "3", **variables}


def _check_address(address: str) -> None:
    """Check that something accepts a connection, before Ray waits for it much longer."""
    match = re.fullmatch(r"(?:ray://)?\[?([^\[\]/]+?)\]?:(\d+)", address)
    if address == "auto":
        return
    if match is None:
        message = f"`--address` must be HOST:PORT or auto; got '{address}'"
        raise InputError(message, where="--address", hint="e.g. --address 127.0.0.1:6379")
    try:
        port = int(match[2])
        with socket.create_connection((match[1], port), timeout=SECONDS_TO_CONNECT):
            return
    except (OSError, OverflowError) as error:
        raise _refusal(address, error) from error


def _refusal(address: str | None, error: Exception) -> InputError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if address is None:
        hint = "free memory and processes, or name a running cluster with --address"
        return InputError(f"Ray does not start: {reason}", where="--engine", hint=hint)
    message = f"no cluster of this version of Ray answers at '{address}': {reason}"
    hint = (
        "start one with: ray start --head --port 6379, set RAY_AUTH_MODE=token here where it has a "
        "token, or leave out --address"
    )
    return InputError(message, where="--address", hint=hint)


__all__ = [
    "check_versions",
    "cluster",
    "import_ray",
    "reason_of",
    "started",
    "stay_on",
    "versions",
]
