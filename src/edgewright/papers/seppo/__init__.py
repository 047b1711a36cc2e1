"""The SE-PPO paper's Figs 2 to 11 as claims, in the paper's setting and in a fair one."""

from __future__ import annotations

from edgewright.papers.seppo.claims import claims
from edgewright.papers.seppo.figures import drawings
from edgewright.papers.seppo.jobs import jobs
from edgewright.papers.seppo.page import notes, sections
from edgewright.studies.job import Plan
from edgewright.studies.study import Study

AXES = {
    "episodes": ("seed", "episode"),
    "curves": ("seed", "mark"),
    "modes": ("seed", "episode", "mode"),
    "charge": ("seed", "episode", "bin"),
    "drift": ("seed", "episode"),
    "life": ("seed", "episode"),
    "speed": ("seed", "repeat"),
}

STUDY = Study(
    name="seppo",
    title="SE-PPO: what holds of Figures 2 to 11",
    source=(
        "Figures 2 to 11 of the SE-PPO paper (joint location and quality offloading of "
        "generative tasks) as claims, each tested as the paper compares and in a fair comparison."
    ),
    full=Plan(quick=False, seeds=10, steps=5e5),
    quick=Plan(quick=True, seeds=2, steps=6e4),
    jobs=jobs,
    claims=claims,
    figures=drawings,
    sections=sections,
    notes=notes,
    axes=AXES,
)
