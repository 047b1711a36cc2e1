"""Score a trained run on the scenario's episodes, and keep the score beside the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgewright.core.sealed import write_json
from edgewright.evaluation.compare import compare
from edgewright.evaluation.comparison_table import table
from edgewright.evaluation.exchange_facts import exchange_facts
from edgewright.scenarios.build import described
from edgewright.systems.registry import system_of
from edgewright.training.runs import Request


def finish(request: Request, out: Path, timing: dict[str, Any]) -> dict[str, Any]:
    """Score a finished run, write ``result.json`` and return it.

    ``score`` is (reward - random) / (reference - random) on the scenario's evaluation episodes,
    identical for all three, with a 95 % interval over seeds and episodes.
    """
    summary = table(compare(request.scenario, [str(out)], data=request.data))
    row = next(row for row in summary["policies"] if row["group"] == "learned")
    result = {
        "scenario": request.scenario.name,
        "learner": request.learner,
        "steps": request.steps,
        "seeds": request.seeds,
        **timing,
        "score": {"mean": row["score"], "low": row["low"], "high": row["high"]},
        "reward": {"mean": row["reward"], "low": row["reward_low"], "high": row["reward_high"]},
        "difference": row["difference"],
        "gap_closed": row.get("gap_closed"),
        "reference": summary["reference"],
        "baseline": summary["baseline"],
        **{metric["name"]: row[metric["name"]] for metric in summary["metrics"]},
        **_recordings(request),
        **exchange_facts(request, out),
        **system_of(request.scenario.world.kind).extra_results(request.scenario, request.data),
        "out": str(out),
    }
    write_json(out / "result.json", result)
    return result


def _recordings(request: Request) -> dict[str, Any]:
    """Return what the recordings that drive a run hold; nothing where there are none."""
    summaries = described(request.scenario, request.data)
    facts = {name: summary.facts() for name, summary in summaries.items()}
    return {"recordings": facts} if facts else {}
