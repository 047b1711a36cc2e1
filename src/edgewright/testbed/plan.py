"""Define the machines, the traffic and the policies of a testbed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LEVELS = ("draft", "standard", "fine")
LITERALS = ("low", "medium", "high")
"""What workers are asked for at each level."""

LINK = "access"


@dataclasses.dataclass(frozen=True)
class Worker:
    """A generator in a process of its own.

    Attributes:
        speed: share of a core; below 1 it is paced.
        power_w: power while it works.
        queue: requests that may wait.
    """

    name: str
    speed: float
    power_w: float
    queue: int = 16


@dataclasses.dataclass(frozen=True)
class Setup:
    """All that is fixed before a run.

    Attributes:
        workers: the device first.
        steps, step_ms: denoising steps of each level, of which there are at most three, and the
            paced time of a step on a full core.
        sizes: of images; the last is the nominal one.
        load: share of the capacity of all workers at the middle level that arrives.
        mean_mbps: mean of the recorded bandwidth after scaling.
        delay_ms: of each direction of the link.
        seconds, rounds: length of a block, and blocks of each policy.
        policies: bundles that are trained or exported on the calibrated scenario, the first of
            which has a twin.
        train_steps, train_seeds: of the learned policy; the first seed decides on the testbed.
        repeats, calibration_s: see :class:`~edgewright.testbed.calibration.Budget`.
        curve_blocks, curve_seconds: simulated blocks in which policies of the measured and of the
            assumed curve of quality are compared; 0 leaves the assumed one out.
        loads, load_rounds, load_policies: further loads, with fewer policies in fewer blocks.
        edit_files: least and greatest number of images that a request uploads to be edited.
        edit_rounds, edit_rules: blocks and rules of such requests; 0 leaves them out.
        edit_learned: whether policies are trained for them, with and without a queue of uploads.
    """

    workers: Sequence[Worker] = (
        Worker("device", 0.02, 2.0, queue=4),
        Worker("edge-1", 0.1, 20.0),
        Worker("edge-2", 0.1, 20.0),
        Worker("edge-3", 0.05, 12.0),
    )
    steps: Sequence[int] = (2, 4, 8)
    step_ms: float = 10.0
    sizes: Sequence[tuple[int, int]] = ((192, 256), (256, 256))
    load: float = 0.6
    mean_mbps: float = 12.0
    delay_ms: float = 10.0
    seconds: float = 6.0
    rounds: int = 2
    policies: Sequence[str] = ("se-ppo", "shadow-price", "greedy")
    train_steps: float = 2e5
    train_seeds: int = 1
    repeats: int = 8
    calibration_s: float = 12.0
    curve_blocks: int = 4
    curve_seconds: float = 30.0
    loads: Sequence[float] = (0.9,)
    load_rounds: int = 1
    load_policies: Sequence[str] = ("se-ppo", "cascade", "shares")
    edit_files: tuple[int, int] = (1, 4)
    edit_rounds: int = 1
    edit_rules: Sequence[str] = ("least-delay", "cascade")
    edit_learned: bool = False
    seed: int = 1


QUICK = Setup()
FULL = dataclasses.replace(
    QUICK,
    seconds=30.0,
    rounds=4,
    train_steps=1e6,
    train_seeds=3,
    repeats=40,
    calibration_s=60.0,
    curve_blocks=20,
    loads=(0.3, 0.9, 1.2),
    load_policies=("se-ppo", "shadow-price", "least-delay", "cascade", "shares"),
    edit_rounds=2,
    edit_learned=True,
)


def worker_text(setup: Setup, worker: Worker) -> str:
    """Return the configuration of a worker, which is a gateway with one generator."""
    backend = {
        "name": worker.name,
        "kind": "digits",
        "location": 0,
        "steps": [*setup.steps],
        "step_ms": setup.step_ms,
        "speed": worker.speed,
        "power_w": worker.power_w,
        "queue": 10 * worker.queue + 10,  # the gateway in front bounds the queue
    }
    levels = [*LEVELS[: len(setup.steps)]]
    return text_of({"gateway": _GATEWAY, "quality": {"levels": levels}, "backend": [backend]})


def gateway_text(
    setup: Setup,
    addresses: Sequence[str],
    policy: Mapping[str, Any],
    seconds: Sequence[Sequence[float]],
    scores: Sequence[float] = (),
) -> str:
    """Return the configuration of the gateway in front of all workers.

    Args:
        addresses: of the workers, the device first; the others behind the link.
        seconds: ``[1 + N, K]`` expected services.
        scores: of the levels; left out before they were measured.
    """
    backends = []
    for location, (worker, address) in enumerate(zip(setup.workers, addresses, strict=True)):
        backends.append(
            {
                "name": worker.name,
                "kind": "upstream",
                "location": location,
                "url": f"http://{address}/v1",
                "levels": [{"quality": literal} for literal in LITERALS[: len(setup.steps)]],
                "seconds": [round(one, 6) for one in seconds[location]],
                "power_w": worker.power_w,
                "queue": worker.queue,
                **({"link": LINK} if location else {}),
            }
        )
    quality: dict[str, Any] = {"levels": [*LEVELS[: len(setup.steps)]]}
    if scores:
        quality["scores"] = [round(one, 6) for one in scores]
    return text_of(
        {
            "gateway": {**_GATEWAY, "receipt": "headers"},
            "policy": dict(policy),
            "quality": quality,
            "backend": backends,
            "link": [
                {
                    "name": LINK,
                    "initial_mbps": setup.mean_mbps,
                    "delay_ms": setup.delay_ms,
                }
            ],
            "signals": {"stale": "last"},
        }
    )


_GATEWAY = {"port": 0, "watch_s": 0.0, "grace_s": 5.0}


def expected_seconds(setup: Setup) -> list[list[float]]:
    """Return the services ``[1 + N, K]`` that the speeds promise for an image of 256x256."""
    step_s = 1e-3 * setup.step_ms
    return [[steps * step_s / one.speed for steps in setup.steps] for one in setup.workers]


def text_of(tables: Mapping[str, Any]) -> str:
    """Return tables, and lists of tables, as TOML."""
    lines: list[str] = []
    for name, content in tables.items():
        for table in content if isinstance(content, list) else [content]:
            lines.append(f"[[{name}]]" if isinstance(content, list) else f"[{name}]")
            lines += [f"{key} = {_written(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f'"{key}" = {_written(one)}' for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    return json.dumps(str(value) if isinstance(value, Path) else value)
