"""Find the policies of a comparison by what names them: rules, runs, bundles, files, models."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgewright.core.errors import InputError
from edgewright.evaluation.foreign import MODEL, from_file, from_model, from_object, is_file_policy
from edgewright.evaluation.trained import bundled, seeds_of
from edgewright.scenarios.build import Problem, learner_names
from edgewright.scenarios.policies import PolicyEntry, baseline, baseline_names, is_registered
from edgewright.specs.schema import Scenario
from edgewright.systems.registry import system_of
from edgewright.training.runs import load_run, train_here

BUNDLE = ".edge"
"""How the name of a bundle ends."""

Asked = str | tuple[str | None, Any]
"""What names a policy, as on the command line; or a label with that or with a policy itself."""

LABEL = re.compile(r"([^=/\\:]+)=(.+)", re.DOTALL)
"""A label and what it stands for."""


@dataclasses.dataclass(frozen=True)
class Source:
    """One row of a comparison before it is played.

    Attributes:
        name: in tables and figures.
        entries: one policy for each seed.
        folder: of the run, where it is one.
        notes: what a reader must know of the policy.
        is_foreign: whether the policy is not ours: its author wants to know if it is stuck.
    """

    name: str
    entries: list[PolicyEntry]
    folder: Path | None = None
    notes: tuple[str, ...] = ()
    is_foreign: bool = False


def gather(
    scenario: Scenario, problem: Problem, asked: Sequence[Asked], data: str | None
) -> list[Source]:
    """Return the policies of a comparison, those that need no training first.

    The scenario's baseline and reference and ``random`` are always among them.

    Raises:
        InputError: a policy is unknown or does not fit, or two have one label.
    """
    plan = scenario.evaluation
    trains = system_of(problem.kind).trains
    wanted = list(asked) or [*baseline_names(problem), *trains]
    labelled = [_labelled(one, problem) for one in wanted]
    needed = ("random", plan.baseline, plan.reference)
    labelled += [(None, name) for name in needed]
    labelled = [one for n, one in enumerate(labelled) if not _repeated(one, labelled[:n])]
    order = {name: index for index, name in enumerate(baseline_names(problem))}
    labelled.sort(key=lambda one: order.get(one[1], len(order)) if _is_text(one[1]) else len(order))
    sources = [_source(label, named, scenario, problem, data) for label, named in labelled]
    return _apart(sources, {label for label, _ in labelled})


def _is_text(named: Any) -> bool:
    return isinstance(named, str)


def _repeated(one: tuple[str | None, Any], before: list[tuple[str | None, Any]]) -> bool:
    return _is_text(one[1]) and any(_is_text(other[1]) and one == other for other in before)


def _labelled(asked: Asked, problem: Problem) -> tuple[str | None, Any]:
    """Return the label, or None, and what it stands for.

    A name that is known, or a path that exists, is taken as it is, ``=`` and all.
    """
    if not isinstance(asked, str):
        return asked
    match = LABEL.fullmatch(asked)
    if match is None or asked in baseline_names(problem) or Path(asked).exists():
        return None, asked
    return match[1].strip(), match[2].strip()


def looks_like_run(name: str, problem: Problem) -> bool:
    """Return whether a policy's name is a folder rather than a baseline."""
    if name in (*baseline_names(problem), *system_of(problem.kind).trains):
        return False
    return "/" in name or (Path(name) / "run.json").exists()


def _source(
    label: str | None, named: Any, scenario: Scenario, problem: Problem, data: str | None
) -> Source:
    """Return one policy by what names it."""
    if not isinstance(named, str):
        entry = from_object(named, problem)
        return Source(label or entry.name, [entry], is_foreign=True)
    if named.startswith(MODEL):
        entry, note = from_model(named, problem)
        name = label or entry.name
        return Source(name, [entry], notes=(f"{name}: {note}",), is_foreign=True)
    if named.endswith(BUNDLE):
        return Source(label or named, [bundled(named, problem)])
    if is_file_policy(named):
        entry = from_file(named, problem)
        return Source(label or entry.name, [entry], is_foreign=True)
    if looks_like_run(named, problem):
        run = load_run(Path(named), data)
        return Source(label or run.request.learner, seeds_of(run, problem), folder=Path(named))
    if named in learner_names(problem) and system_of(problem.kind).trains:
        made = train_here(named, scenario, problem)
        entries = [PolicyEntry.learned(named, p, world) for p, world in made]
        return Source(label or named, entries)
    foreign = is_registered(named, problem.kind)
    try:
        return Source(label or named, [baseline(named, problem)], is_foreign=foreign)
    except InputError as error:
        other = f"name a model as {MODEL}{named}"
        other = other if named.endswith(".zip") else f"{error.hint}; or name the folder of a run"
        raise InputError(error.message, where=error.where, hint=other) from None


def _apart(sources: list[Source], labels: set[str | None]) -> list[Source]:
    """Return the sources with names of their own: runs that share one are named by their folder.

    Raises:
        InputError: two labels are the same.
    """
    counts = Counter(source.name for source in sources)
    named = [
        dataclasses.replace(source, name=str(source.folder))
        if counts[source.name] > 1 and source.folder and source.name not in labels
        else source
        for source in sources
    ]
    twice = [name for name, count in Counter(one.name for one in named).items() if count > 1]
    if twice:
        message = f"two policies are called '{twice[0]}'"
        hint = "give each a label of its own, e.g. first=runs/a,second=runs/b"
        raise InputError(message, where="--policies", hint=hint)
    return named


__all__ = ["Asked", "Source", "gather", "looks_like_run"]
