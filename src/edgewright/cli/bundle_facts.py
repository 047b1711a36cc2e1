"""Show what an export wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.gain_gate import share, too_little_gain
from edgewright.cli.options import parity_line, print_json, whole
from edgewright.cli.usage import command_line


def bundle_facts(made: Any, out: str) -> dict[str, Any]:
    """Return what ``--json`` says of a bundle."""
    return {
        "out": out,
        "version": made.version,
        "name": made.name,
        "bytes": Path(out).stat().st_size,
        "graph": {k: v for k, v in made.facts["graphs"]["policy"].items() if k != "layers"},
        "rules": made.rules,
        "runtimes_here": made.engine.runtimes,
        "parity": dict(made.parity),
    }


def show_bundle(made: Any, out: str, training_rewards: list[float] | None = None) -> None:
    """Print what a bundle is, and the command that serves it.

    Args:
        training_rewards: of the seeds among which its own was chosen, if it was.
    """
    if training_rewards:
        texts = ", ".join(f"{reward:+.4f}" for reward in training_rewards)
        click.echo(f"reward per slot of each seed on training inputs: {texts}")
    size = Path(out).stat().st_size
    click.echo(f"{made.name}: {out}, {size:,} bytes, version {made.version}")
    click.echo(parity_line(made.parity))
    click.echo(f"next: {command_line('serve', out)}")


def show_amortised(policy: str, out: str, as_json: bool, options: dict[str, Any]) -> None:
    """Distil the planner of a run, write the bundle, and print what that cost.

    Raises:
        CheckFailed: too little of the gain is kept; nothing was written.
    """
    from edgewright.cli.terminal import counting_bar
    from edgewright.deploy import amortise
    from edgewright.deploy.export_amortised import PHASES, export_amortised
    from edgewright.deploy.subject import Part

    part = Part(
        task=whole(options["task"], "--task", 0),
        device=whole(options["device"], "--device", 0),
        level=options["level"],
    )
    with counting_bar(f"amortise {policy}", PHASES) as on_progress:
        done = export_amortised(
            Path(policy),
            Path(out),
            seed=whole(options["seed"], "--seed", 0) or 0,
            part=part,
            decisions=whole(options["decisions"], "--decisions", 1) or amortise.DECISIONS,
            min_gain_kept=share(options["min_gain_kept"]),
            data=options["data"],
            on_progress=on_progress,
        )
    facts = bundle_facts(done.bundle, out) if done.passed else {"out": None}
    if as_json:
        print_json({**facts, "amortised": done.facts, "gate": done.gate})
    else:
        for line in _lines(done.facts):
            click.echo(line)
        if done.passed:
            show_bundle(done.bundle, out)
    if done.gate is not None and not done.passed:
        raise too_little_gain(done.gate, "let it learn from more --decisions of the planner")


def _lines(facts: dict[str, Any]) -> list[str]:
    """Return scores and times of an amortised policy beside those of its planner."""
    played = facts["reward"], facts["planner_reward"]
    lines = ["reward per slot: network {:+.4f}, planner {:+.4f}".format(*played)]
    for name, anchor in (("score_ratio", "random actions"), ("gain_kept", "the baseline")):
        estimate, low, high = (facts[f"{name}{end}"] for end in ("", "_low", "_high"))
        shown = f"{estimate:.3f} [{low:.3f}, {high:.3f}]" if low == low else "not defined here"
        lines.append(f"share kept of what the planner earns beyond {anchor}: {shown}")
    times = facts["decision_ms"], facts["planner_decision_ms"]
    lines.append("ms per decision: network {:.4f}, planner {:.3f}".format(*times))
    return lines


__all__ = ["bundle_facts", "show_amortised", "show_bundle"]
