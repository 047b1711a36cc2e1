"""Export the best seed of a run, or one network that decides like the mean of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgewright.cli.bundle_facts import bundle_facts, show_bundle
from edgewright.cli.gain_gate import share, too_little_gain
from edgewright.cli.options import print_json, whole
from edgewright.core.errors import InputError

BEST = "best"
"""Value of ``--seed`` for the seed that earns most on training inputs."""


def chosen_seed(policy: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return ``seed``, and where it was chosen ``training_rewards``, the reward of each.

    Raises:
        InputError: the seed is not a number, or cannot be chosen.
    """
    if options["seed"] != BEST:
        return {"seed": _number(options["seed"])}
    from edgewright.deploy.best_seed import best_seed

    seed, rewards = best_seed(Path(policy), options["data"])
    return {"seed": seed, "training_rewards": rewards}


def _number(text: str | None) -> int:
    """Return the number of a seed, 0 for None."""
    try:
        return whole(text, "--seed", 0) or 0
    except InputError as error:
        hint = f"give the number of a seed, e.g. 0, or {BEST}"
        raise InputError(error.message, where="--seed", hint=hint) from None


def show_distilled(policy: str, out: str, as_json: bool, options: dict[str, Any]) -> None:
    """Distil the seeds of a run, write the bundle, and print what that cost.

    Raises:
        CheckFailed: too little of the gain is kept; nothing was written.
    """
    from edgewright.cli.terminal import counting_bar
    from edgewright.compress.stages import read_widths

    widths, least = read_widths(options["distil"], "--distil"), share(options["min_gain_kept"])
    from edgewright.deploy.export_distilled import PHASES, export_distilled

    with counting_bar(f"distil {policy}", PHASES) as on_progress:
        done = export_distilled(
            Path(policy),
            Path(out),
            widths,
            min_gain_kept=least,
            data=options["data"],
            on_progress=on_progress,
        )
    facts = bundle_facts(done.bundle, out) if done.passed else {"out": None}
    if as_json:
        print_json({**facts, "distilled": done.facts, "gate": done.gate})
    else:
        for line in _lines(done.facts):
            click.echo(line)
        if done.passed:
            show_bundle(done.bundle, out)
    if done.gate is not None and not done.passed:
        raise too_little_gain(done.gate, "give the network wider hidden layers")


def _lines(facts: dict[str, Any]) -> list[str]:
    """Return the rewards of network, mean and seeds, and the difference of the first two."""
    singles = ", ".join(f"{reward:+.4f}" for reward in facts["seed_rewards"])
    played = f"network {facts['reward']:+.4f}, mean of the seeds {facts['teacher_reward']:+.4f}"
    change = [facts[f"reward_change{end}"] for end in ("", "_low", "_high")]
    return [
        f"reward per slot: {played}, each seed {singles}",
        "network less mean [95 %]: {:+.4f} [{:+.4f}, {:+.4f}]".format(*change),
    ]


__all__ = ["BEST", "chosen_seed", "show_distilled"]
