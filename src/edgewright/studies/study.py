"""What a study is: pieces of work, claims, and verdicts on them, as data.

A study names its jobs; the runner (``studies/runner.py``) does them and keeps one result file for
each; claims are measured on the table of all results and judged here. Nothing in this module knows
a system or a paper: those are in ``studies/papers``.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from edgewright.core.errors import InputError, nearest
from edgewright.core.files import write_bytes
from edgewright.core.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from edgewright.reporting.html import Section

Status = Literal["reproduced", "not reproduced", "not comparable"]
STATUSES: tuple[Status, ...] = ("reproduced", "not reproduced", "not comparable")


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much of a study is done.

    Attributes:
        quick: the same claims with fewer seeds, steps and arms.
        seeds: of every training that is judged.
        steps: environment steps of the main trainings; the others are in proportion.
        data: folder of recordings.
    """

    quick: bool
    seeds: int
    steps: float
    data: str | None = None


@dataclasses.dataclass(frozen=True)
class JobResult:
    """What a job came to: arrays by name, and facts as plain data.

    An array's name is ``"group/name"``; the arrays of a group have the same axes (``Study.axes``),
    e.g. ``"episodes/reward"`` ``[seeds, episodes]``.
    """

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class JobContext:
    """What a job is handed.

    Attributes:
        folder: the job's own, kept until it is done: a place for what lets it go on after a kill.
        data: folder of recordings, or None.
        found: results of the jobs it needs, by key.
        folders: folders of the jobs it needs, by key.
        tell: to be called with the share that is done, now and then.
    """

    folder: Path
    data: str | None
    found: Mapping[str, JobResult]
    folders: Mapping[str, Path]
    on_progress: Callable[[float], None]


class Job(Protocol):
    """A piece of work with one result. Frozen, and picklable: it travels to another process.

    Laws: ``run`` depends on nothing but ``asked``, the results it needs and the recordings; it
    writes inside ``desk.folder`` only; the runner writes the result.
    """

    @property
    def key(self) -> str:
        """Its name in the table; parts are separated by ``/``."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the jobs whose results it reads."""
        ...

    @property
    def program(self) -> str:
        """What it compiles: jobs that name the same are given to the same process."""
        ...

    @property
    def cost(self) -> float:
        """About how long it takes, in any unit that all jobs of a study share."""
        ...

    def config(self) -> dict[str, Any]:
        """Return everything that decides the result, as plain data."""
        ...

    def run(self, desk: JobContext) -> JobResult:
        """Do it, or go on where an earlier call stopped."""
        ...


def qualified_name(function: Callable[..., Any]) -> str:
    """Return the address of a function of a module."""
    return f"{function.__module__}.{function.__qualname__}"


@dataclasses.dataclass(frozen=True)
class FunctionJob:
    """A job that calls ``function(desk, **arguments)``, a function of a module.

    Attributes:
        arguments: plain data.
    """

    key: str
    function: Callable[..., JobResult]
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    needs: tuple[str, ...] = ()
    program: str = ""
    cost: float = 1.0

    def config(self) -> dict[str, Any]:
        """Return the function's address and its arguments."""
        return {"function": qualified_name(self.function), "arguments": self.arguments}

    def run(self, desk: JobContext) -> JobResult:
        """Call the function."""
        return self.function(desk, **self.arguments)


def fingerprints(jobs: Sequence[Job], data: str | None) -> dict[str, str]:
    """Return a hash for each job of what was asked, of what it needs, and of the version.

    Raises:
        InputError: two jobs share a key, or one needs what is not there, or itself.
    """
    by_key = {job.key: job for job in jobs}
    if len(by_key) < len(jobs):
        keys = [job.key for job in jobs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InputError(f"two jobs have the key '{twice}'", where="jobs", hint="rename one")
    done: dict[str, str] = {}

    def of(key: str, above: tuple[str, ...]) -> str:
        if key in above:
            raise InputError(f"job '{key}' needs itself", where="jobs")
        if key not in by_key:
            where = f"job '{above[-1]}'"
            raise InputError(f"needs '{key}'", where=where, hint=nearest(key, by_key))
        if key not in done:
            job = by_key[key]
            needed = {name: of(name, (*above, key)) for name in job.needs}
            whole = {"asked": job.config(), "needs": needed, "version": __version__}
            text = json.dumps(whole, sort_keys=True, default=str)
            done[key] = hashlib.sha256(text.encode()).hexdigest()[:12]
        return done[key]

    return {key: of(key, ()) for key in by_key}


@dataclasses.dataclass(frozen=True)
class Table:
    """The results of all jobs by key."""

    found: Mapping[str, JobResult]
    axes: Mapping[str, tuple[str, ...]]
    plan: Plan

    def __getitem__(self, key: str) -> JobResult:
        """Return the result of a job."""
        if key not in self.found:
            raise InputError(f"there is no result '{key}'", hint=nearest(key, self.found))
        return self.found[key]

    def array(self, key: str, name: str) -> np.ndarray:
        """Return an array of a job's result."""
        arrays = self[key].arrays
        if name not in arrays:
            raise InputError(f"there is no '{name}'", where=key, hint=nearest(name, arrays))
        return arrays[name]

    def rows(self, group: str) -> Iterator[dict[str, Any]]:
        """Yield one row for each place along the axes of a group: a tidy table."""
        if group not in self.axes:
            raise InputError(f"the axes of '{group}' are not named", where="Study.axes")
        axes = self.axes[group]
        for key, found in self.found.items():
            columns = {
                name.removeprefix(f"{group}/"): values
                for name, values in found.arrays.items()
                if name.startswith(f"{group}/")
            }
            if not columns:
                continue
            shape = next(iter(columns.values())).shape
            labels = found.facts.get("labels", {})
            for place in np.ndindex(shape):
                row = {"arm": key, **labels, **dict(zip(axes, place, strict=True))}
                yield row | {name: float(values[place]) for name, values in columns.items()}

    def write_csv(self, path: Path, group: str) -> None:
        """Write the rows of a group as a file with a header."""
        rows = list(self.rows(group))
        names = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.7g}" if isinstance(v, float) else v for k, v in row.items()})
        write_bytes(path, text.getvalue().encode())


@dataclasses.dataclass(frozen=True)
class Measured:
    """A claim's number with its interval, or why there is none that could be compared.

    Attributes:
        says: what was measured, in words, e.g. ``"score of se-ppo less that of ppo"``.
        why_not: if not empty, the claim is not comparable, for this reason.
    """

    estimate: float
    low: float
    high: float
    says: str
    seeds: int
    unit: str = ""
    why_not: str = ""


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a document says, and when we would say so too.

    Attributes:
        key: its name.
        figure: where it is said.
        text: what is said, in our words.
        published: the number or the order that is printed there, as text.
        setting: in which setting it is tested.
        measure: from the table to a number with its interval.
        region: the claim is reproduced if the whole interval lies between these two.
    """

    key: str
    figure: str
    text: str
    published: str
    setting: str
    measure: Callable[[Table], Measured]
    region: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A claim with what was measured."""

    claim: str
    figure: str
    text: str
    setting: str
    published: str
    measured: float | None
    low: float | None
    high: float | None
    unit: str
    status: Status
    reason: str
    seeds: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return dataclasses.asdict(self)


def judge_claim(claim: Claim, table: Table) -> Verdict:
    """Return the verdict on a claim.

    Reproduced: the whole interval lies in the claim's region. Not reproduced: it lies outside, or
    across an end of the region, so that the claim is not shown. Not comparable: the measure says
    why.
    """
    found = claim.measure(table)
    numbers = [x if math.isfinite(x) else None for x in (found.estimate, found.low, found.high)]
    status, why = _status(found, claim.region)
    return Verdict(
        claim=claim.key,
        figure=claim.figure,
        text=claim.text,
        setting=claim.setting,
        published=claim.published,
        measured=numbers[0],
        low=numbers[1],
        high=numbers[2],
        unit=found.unit,
        status=status,
        reason=f"{found.says}: {why}",
        seeds=found.seeds,
    )


def _status(found: Measured, region: tuple[float, float]) -> tuple[Status, str]:
    if found.why_not:
        return "not comparable", found.why_not
    if not all(math.isfinite(x) for x in (found.estimate, found.low, found.high)):
        return "not comparable", "the interval is not finite"
    least, most = region
    if least <= found.low and found.high <= most and found.low != found.high:
        return "reproduced", f"the whole interval lies {_words(region)}"
    if least <= found.low == found.high <= most:
        return "reproduced", f"the value lies {_words(region)}"
    if found.high < least or found.low > most:
        end, side = (least, "below") if found.high < least else (most, "above")
        return "not reproduced", f"the whole interval lies {side} {end:g}"
    crossed = [end for end in region if math.isfinite(end) and found.low < end < found.high]
    if not crossed:
        return (
            "not reproduced",
            f"the interval touches the end of what was claimed, {_words(region)}",
        )
    across = " and ".join(f"{end:g}" for end in crossed)
    inside = least <= found.estimate <= most
    what = "not shown" if inside else "not shown, and the estimate speaks against it"
    return "not reproduced", f"the interval reaches across {across}: {what}"


def _words(region: tuple[float, float]) -> str:
    low, high = region
    if math.isinf(high):
        return f"above {low:g}"
    if math.isinf(low):
        return f"below {high:g}"
    return f"between {low:g} and {high:g}"


@dataclasses.dataclass(frozen=True)
class Study:
    """A paper's figures as claims, and what has to be done to judge them.

    Attributes:
        name: what the command line calls it.
        title: of the page.
        source: what the claims are taken from, and a sentence on the settings.
        full, quick: the two plans that the command line starts from.
        jobs: the pieces of work of a plan.
        claims: what is judged, in the order of pages.
        axes: the axes of every group of arrays; ``table`` names the group of ``table.csv``.
        figures: caption and drawing by name.
        sections: further sections of the page, e.g. a table of raw numbers.
        notes: what a reader must know beside the verdicts: deviations, settings, sources.
        data: whether it needs recordings.
    """

    name: str
    title: str
    source: str
    full: Plan
    quick: Plan
    jobs: Callable[[Plan], list[Job]]
    claims: Callable[[Plan], list[Claim]]
    figures: Callable[[Table], dict[str, tuple[str, Figure]]]
    sections: Callable[[Table], list[Section]]
    notes: Callable[[Table], list[str]]
    axes: Mapping[str, tuple[str, ...]]
    table: str = "episodes"
    data: bool = False

    def judge(self, table: Table) -> list[Verdict]:
        """Return a verdict on every claim."""
        return [judge_claim(claim, table) for claim in self.claims(table.plan)]
