"""MRL's Table 2 and Figs 5 to 8 as claims: does meta-learning earn its name."""

from __future__ import annotations

from edgewright.papers.mrl.claims import claims
from edgewright.papers.mrl.figures import drawings
from edgewright.papers.mrl.jobs import jobs
from edgewright.papers.mrl.page import notes, sections
from edgewright.studies.job import Plan
from edgewright.studies.study import Study

STUDY = Study(
    name="mrl",
    title="MRL: what holds of Table 2 and Figures 5 to 8",
    source=(
        "Table 2 and Figures 5 to 8 of the MRL paper (adaptive binary offloading by "
        "meta-reinforcement learning) as claims, in two presets, with and without a critic at "
        "decision time, and the comparison that the paper leaves out: pre-training with the same "
        "fine-tuning."
    ),
    full=Plan(quick=False, seeds=10, steps=6.4e5),
    quick=Plan(quick=True, seeds=2, steps=6.4e4),
    jobs=jobs,
    claims=claims,
    figures=drawings,
    sections=sections,
    notes=notes,
    axes={
        "rules": ("rule", "scenario"),
        "adapt": ("seed", "scenario", "mark"),
        "switch": ("seed", "sequence", "mark"),
        "speed": ("policy", "repeat"),
    },
    table="adapt",
)
