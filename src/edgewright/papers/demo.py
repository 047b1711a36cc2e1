"""Run the demonstration, which trains, compares with baselines and a bound, and writes a page."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgewright.core.sealed import write_json
from edgewright.evaluation.compare import Comparison, compare
from edgewright.evaluation.comparison_table import table
from edgewright.reporting import figures, html
from edgewright.reporting.comparison_page import (
    REWARD,
    bound_row,
    comparison_rows,
    page_facts,
    page_table,
    verdicts,
)
from edgewright.reporting.run_curves import learning_figure
from edgewright.reporting.style import save, to_svg
from edgewright.scenarios.load import load, resolved
from edgewright.systems.aigc import behaviour
from edgewright.systems.aigc.schema import AigcScenario as Scenario
from edgewright.training.runs import Request, train

RECOMMENDED = "all-action-guided"
LEARNERS = (RECOMMENDED, "se-ppo", "a2c", "dqn")
"""Learners of the demonstration: same features, same budget, same seeds."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """The plan of the demonstration."""

    out: Path
    data: str | None
    steps: float = 5e5
    seeds: int = 3
    episodes: int = 100
    command: str = "edgewright demo"


@dataclasses.dataclass(frozen=True)
class Watch:
    """A progress display, with a bar for a training and a line for a comparison."""

    training: Callable[[str, int], Any]
    comparing: Callable[[str, int], Any]


def run(plan: Plan, watch: Watch) -> dict[str, Any]:
    """Run the demonstration and return what it found; figures and page are in ``plan.out``."""
    started = time.perf_counter()
    main = load("aigc-heavy")
    driven = load("aigc-trace" if plan.data else "aigc-calibrated")
    timings = {}
    for learner in LEARNERS:
        timings[learner] = _train(plan, watch, main, learner)
    for learner in (RECOMMENDED, "se-ppo"):
        timings[f"{learner} on {driven.name}"] = _train(plan, watch, driven, learner)

    folders = [str(_folder(plan, main, learner)) for learner in LEARNERS]
    with watch.comparing(f"compare on {main.name}", 19) as on_progress:
        first = compare(
            main, [*_shown(), *folders], episodes=plan.episodes, on_progress=on_progress
        )
    transfer = [
        (f"{learner} from {scenario.name}", str(_folder(plan, scenario, learner)))
        for learner in (RECOMMENDED, "se-ppo")
        for scenario in (driven, main)
    ]
    with watch.comparing(f"compare on {driven.name}", 11) as on_progress:
        second = compare(
            driven,
            ["heuristic-fair", "greedy", "shadow-price", *transfer],
            data=plan.data,
            episodes=plan.episodes,
            on_progress=on_progress,
        )
    results = {
        "main": table(first),
        "inputs": table(second),
        "recorded": plan.data is not None,
        "timings": timings,
        "seconds": round(time.perf_counter() - started, 1),
        "report": str(plan.out / "report.html"),
    }
    drawn = _draw(plan, first, results["main"], second, results["inputs"])
    results["seconds"] = round(time.perf_counter() - started, 1)
    _write(plan, results, drawn, [main, driven])
    write_json(plan.out / "result.json", results)
    return results


def _shown() -> list[str]:
    names = ["shortest-0", "shortest-1", "heuristic", "heuristic-fair", "greedy-nominal"]
    return [*names, "greedy-location", "greedy", "shadow-price", "rollout-12"]


def _folder(plan: Plan, scenario: Scenario, learner: str) -> Path:
    return plan.out / "runs" / f"{scenario.name}-{learner}"


def _train(plan: Plan, watch: Watch, scenario: Scenario, learner: str) -> dict[str, Any]:
    request = Request(scenario, learner, plan.steps, plan.seeds, plan.data)
    total = round(plan.steps * plan.seeds)
    with watch.training(f"{learner} on {scenario.name}", total) as on_progress:
        return train(request, _folder(plan, scenario, learner), on_progress)


def _draw(
    plan: Plan,
    first: Comparison,
    main: dict[str, Any],
    second: Comparison,
    inputs: dict[str, Any],
) -> dict[str, str]:
    """Draw and save all figures; return them as SVG text by name."""
    reward = REWARD
    qualities = first.problem.world.qualities
    played = first.result("se-ppo").played
    assert played is not None
    charge, by_charge = behaviour.shares_by_charge(played, qualities)
    modes, by_mode = behaviour.shares_by_mode(played, qualities)
    points = [
        figures.Operating(r["policy"], r["group"], r["delay_s"], r["energy_j"], r["quality"])
        for r in main["policies"]
        if r["policy"] != "random"
    ]
    names = behaviour.categories(qualities)
    drawings = {
        "comparison": figures.comparison(comparison_rows(main), bound_row(main), xlabel=reward),
        "trade-off": figures.trade_off(points),
        "actions-by-charge": figures.action_shares(charge, names, by_charge, "charge"),
        "actions-by-mode": figures.action_shares(modes, names, by_mode, "user mode"),
        "inputs": figures.comparison(comparison_rows(inputs), bound_row(inputs), xlabel=reward),
    }
    for name, comparison, summary in (("learning", first, main), ("learning-2", second, inputs)):
        learned = learning_figure(comparison, summary)
        assert learned is not None
        drawings[name] = learned[0]
    for name, figure in drawings.items():
        save(figure, plan.out / "figures", name)
    return {name: to_svg(figure) for name, figure in drawings.items()}


def _write(
    plan: Plan, results: dict[str, Any], drawn: dict[str, str], scenarios: list[Scenario]
) -> None:
    """Write the self-contained page ``report.html``."""
    subtitle = "Where generative tasks run and at what quality: learned, compared, bounded"
    sections = _sections(results, drawn)
    sections[-1] = dataclasses.replace(
        sections[-1],
        code=json.dumps([resolved(s) for s in scenarios], indent=1),
        code_title="Resolved scenarios",
    )
    facts = {
        "command": plan.command,
        "training": f"{plan.steps:.0f} steps, {plan.seeds} seeds for each learner",
        "speed": "; ".join(
            f"{name} {timing['steps_per_s']:,} steps/s"
            for name, timing in results["timings"].items()
            if timing["steps_per_s"]
        )
        or "trained before",
        "duration": f"{results['seconds']} s",
        **page_facts(),
    }
    page = html.render("AIGC offloading by SE-PPO", subtitle, facts, sections)
    html.write(plan.out / "report.html", page)


def _sections(results: dict[str, Any], drawn: dict[str, str]) -> list[html.Section]:
    """Return the sections of the page, from what was measured and the figures as SVG."""
    main, inputs = results["main"], results["inputs"]
    driven = "recorded" if results["recorded"] else "calibrated synthetic"

    def shown(name: str, caption: str) -> html.FigureItem:
        return html.FigureItem(caption, drawn[name])

    return [
        html.Section(
            "Results",
            verdicts(main),
            table=page_table(main, _score_note(main)),
            figures=[
                shown("comparison", "Every policy on the same episodes, and what none can pass."),
                shown("learning", "Greedy policy of each learner on the evaluation episodes."),
            ],
        ),
        html.Section(
            "What the policy does",
            [
                "Shares of SE-PPO's actions over all tasks it served (first seed). The weights of "
                "quality and energy depend on the user's mode and, below 50 % charge, on the "
                "battery."
            ],
            figures=[
                shown("actions-by-charge", "Place and quality by battery charge."),
                shown("actions-by-mode", "Place and quality by user mode."),
                shown("trade-off", "Where each policy operates, per task served."),
            ],
        ),
        html.Section(
            f"On {driven} inputs",
            [
                _sources(results["recorded"]),
                "The name of a run says which inputs it was trained on; those of this scenario "
                "are the train part.",
                *verdicts(inputs),
            ],
            table=page_table(inputs, f"{inputs['episodes']} identical episodes of 500 slots."),
            figures=[
                shown("inputs", f"The same comparison on {driven} inputs."),
                shown("learning-2", "Both runs while they learned, each on its own inputs."),
            ],
        ),
        html.Section(
            "How to read this",
            [
                "The upper bound lets every task meet queues that hold only other users' work, at "
                "the highest charge that could be left: no policy can earn more on these inputs, "
                "and perhaps none can earn as much.",
                "The planner (rollout) knows the state and the physics and imagines futures; the "
                "learners see the observation only. Greedy knows the queues and compares all "
                "actions for the present task.",
            ],
        ),
    ]


def _score_note(main: dict[str, Any]) -> str:
    return (
        f"{main['episodes']} identical episodes of 500 slots. Gap: 0 is {main['baseline']}, 100 "
        "the bound, which perhaps none can reach. Intervals are 95 %, from resampling episodes and "
        "seeds; differences are paired. With three seeds an interval says more about inputs than "
        "about seeds, and is rather too narrow. Slots after an early end count as the worst so "
        "far, and at most -1."
    )


def _sources(recorded: bool) -> str:
    if recorded:
        return (
            "Bandwidth: Norway HSDPA and Oboe logs (3G/4G), scaled to a mean of 100 Mbit/s; gaps "
            "between tasks and load of others: Azure LLM request log 2023. Learners train on the "
            "train part and are judged on held-out recordings. The sources are independent of each "
            "other."
        )
    return (
        "No recordings were named (--data), so bandwidth, gaps and load are synthetic, with the "
        "mean, variation and memory measured on the recordings that `aigc-trace` uses."
    )
