"""Define a study as one record of jobs, claims, figures and texts.

Nothing in this package knows a system or a paper: those are in ``systems`` and ``papers``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from edgewright.studies.claim import Claim, Verdict, judge_claim
from edgewright.studies.job import Job, Plan
from edgewright.studies.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from edgewright.reporting.html import Section


@dataclasses.dataclass(frozen=True)
class Study:
    """The claims of a paper, the jobs that test them, and the text and figures of its page.

    Attributes:
        name: name on the command line.
        title: title of the page.
        source: the paper that states the claims, and one sentence on the settings.
        full, quick: the two plans that the command line starts from.
        jobs: returns the jobs of a plan.
        claims: returns the claims of a plan, in the order of the page.
        figures: returns caption and drawing of every figure by its name.
        sections: returns further sections of the page, e.g. a table of raw numbers.
        notes: returns deviations, settings and sources that a reader needs beside the verdicts.
        axes: names of the axes of every group of arrays.
        table: name of the group that ``table.csv`` holds.
        data: whether the study uses recordings (``--data``).
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
