"""Measure the back ends of a gateway through the protocol by which it uses them itself."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path

from edgewright.core.errors import InputError
from edgewright.gateway.backend import Backend, base64_length
from edgewright.gateway.config import load
from edgewright.gateway.jobs import BackendError, Image, Job, NotAcceptedError
from edgewright.gateway.plan import Plan, make_plan

SMALL = (8, 8)
"""The size of images whose transfer is all delay."""

PROMPT = "0 1 2 3 4 5 6 7 8 9"
OnProgress = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Sample:
    """One image, as a back end made it.

    Attributes:
        repeat: which of the repeats it is; odd ones are held out.
        transfer_s: time on the way; 0 for a back end in this process.
        wire_bytes: length of the image in base64, as an answer carries it.
        lateness: actual over paced time of service; None where it is not paced.
    """

    backend: str
    location: int
    level: int
    size: tuple[int, int]
    repeat: int
    service_s: float
    transfer_s: float
    wire_bytes: int
    lateness: float | None
    file: bytes = dataclasses.field(repr=False, default=b"")


@dataclasses.dataclass(frozen=True)
class Budget:
    """Limits of what is measured.

    Attributes:
        repeats: images of each back end and level at most, half of which are held out.
        seconds: time of a back end after which it makes fewer of them, but two; None for no limit.
        sizes: width and height of images, which are taken in turn; the last is the nominal one.
        seed: of the first image.
    """

    repeats: int = 6
    seconds: float | None = None
    sizes: Sequence[tuple[int, int]] = ((256, 256),)
    seed: int = 1


def measured(
    file: Path, budget: Budget, on_progress: OnProgress = lambda name: None
) -> tuple[Plan, list[Sample]]:
    """Return the plan of a gateway's configuration and what its back ends for images did.

    Back ends work at the same time, each on one image after another, as they do under load. Those
    behind a link then send small images one by one, whose transfers measure its delay.

    Raises:
        InputError: the configuration cannot be used, a back end cannot be reached or fails, or a
            location has none or several.
    """
    plan = make_plan(file)
    backends = [one for one in plan.backends.values() if one.modality == "image"]
    _check_locations(backends, str(file))
    levels = range(len(plan.config.quality.levels))

    async def main() -> list[Sample]:
        try:
            rows = await asyncio.gather(
                *(_images(one, levels, budget, on_progress) for one in backends)
            )
            result = [sample for row in rows for sample in row]
            for one in backends:
                if one.link is not None:
                    on_progress(f"{one.name}: delay")
                    for repeat in range(budget.repeats):
                        result.append(await sample(one, 0, SMALL, repeat, budget.seed + repeat))
            return result
        finally:
            for one in plan.backends.values():
                await one.generator.close()

    return plan, asyncio.run(main())


def steps_of(file: Path, renders: bool | None = None) -> int:
    """Return how often a calibration on a configuration reports its progress.

    Args:
        renders: as for :func:`~.calibrate.calibrate`: references of quality are one step more.
    """
    config = load(file)[0]
    backends = [one for one in config.backend if one.modality == "image"]
    linked = sum(one.link is not None for one in backends)
    rendered = bool(backends) and all(one.kind == "render" for one in backends)
    is_rendered = rendered if renders is None else renders
    return len(backends) * len(config.quality.levels) + linked + is_rendered


def _check_locations(backends: Sequence[Backend], file: str) -> None:
    at: dict[int, str] = {}
    for one in backends:
        location = one.table.location
        if location in at:
            message = f"`location` must be of one back end; got {location} twice"
            message += f", of '{at[location]}' and '{one.name}'"
            hint = "calibrate a file with one of them: a scenario has one queue for each location"
            raise InputError(message, where=f"{file}: backend", hint=hint)
        at[location] = one.name
    missing = [n for n in range(max(at, default=0) + 1) if n not in at]
    if missing or len(at) < 2:
        message = f"must have a back end for images at location 0 and at each up to {max(at)}"
        message = message if at else "must have back ends for images; got none"
        hint = "number locations from 0, the device, without gaps; at least one server"
        raise InputError(message, where=f"{file}: backend.location", hint=hint)


async def _images(
    backend: Backend, levels: Sequence[int], budget: Budget, on_progress: OnProgress
) -> list[Sample]:
    result = []
    repeats = _repeats(backend, levels, budget)
    for level in levels:
        on_progress(f"{backend.name}: level {level}")
        for repeat in range(repeats):
            size = budget.sizes[-1 - (repeat // 2) % len(budget.sizes)]
            result.append(await sample(backend, level, size, repeat, budget.seed + repeat))
    return result


def _repeats(backend: Backend, levels: Sequence[int], budget: Budget) -> int:
    """Return how many images a back end makes of each level, an even number."""
    if budget.seconds is None:
        return budget.repeats
    once_s = sum(backend.generator.expected_s(budget.sizes[-1], 1, level) for level in levels)
    wanted = int(budget.seconds / max(1e-6, once_s))
    return max(2, min(budget.repeats, wanted - wanted % 2))


async def sample(
    backend: Backend, level: int, size: tuple[int, int], repeat: int, seed: int
) -> Sample:
    """Return what one image took and what it weighs.

    Raises:
        InputError: the back end cannot be reached, or failed.
    """
    job = Job(PROMPT, size, 1, level, seed=seed)
    item = backend.ledger.add(backend.generator.expected_s(size, 1, level))
    files: list[bytes] = []
    try:
        async with aclosing(backend.generator.run(job, backend.ledger, item)) as events:
            async for event in events:
                if isinstance(event, Image):
                    files.append(event.png or base64.b64decode(event.b64))
    except (NotAcceptedError, BackendError) as error:
        hint = "start it, or name another one; edgewright gateway --check checks the rest"
        message = f"must answer requests for images: {error}"
        raise InputError(message, where=f"backend '{backend.name}'", hint=hint) from None
    finally:
        backend.ledger.release(item)
    return Sample(
        backend=backend.name,
        location=backend.table.location,
        level=level,
        size=size,
        repeat=repeat,
        service_s=job.service_s or 0.0,
        transfer_s=job.transfer_s,
        wire_bytes=sum(base64_length(len(one)) for one in files),
        lateness=job.lateness,
        file=files[0],
    )
