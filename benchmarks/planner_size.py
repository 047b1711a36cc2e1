"""What the search of the planner is worth: trained HADRL, planned with several searches.

    python benchmarks/planner_size.py RUN --searches default,published --episodes 12 --epochs 1

Every search plans with the models of the same run on the same held-out episodes, without noise and
without the epistemic value, so differences are paired over seeds and episodes. The last search
named is the one that the others are compared with; ``published`` is the published one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from edgewright.evaluation.joint_bootstrap import joint_bootstrap
from edgewright.evaluation.trained import seeds_of
from edgewright.scenarios.build import build
from edgewright.specs.schema import Scenario
from edgewright.systems.registry import system_of
from edgewright.training.runs import Run, evaluation_inputs, load_run


@dataclasses.dataclass(frozen=True)
class Search:
    """Candidates, elites and iterations of a search, slots ahead, and whether it starts anew."""

    candidates: int
    elites: int
    iterations: int
    slots: int = 1
    cold: bool = False


SEARCHES = {
    "small": Search(64, 8, 3),
    "default": Search(128, 16, 4),
    "wide": Search(700, 70, 7),
    "published": Search(700, 70, 7, 20, cold=True),
    "small-5": Search(64, 8, 3, 5),
    "small-20": Search(64, 8, 3, 20),
    "small-cold": Search(64, 8, 3, cold=True),
    "small-5-cold": Search(64, 8, 3, 5, cold=True),
    "many": Search(320, 40, 3),
    "one-iteration": Search(64, 8, 1),
}
"""``small`` is the search of the study, ``default`` that of the learner's table."""


def searched(policy: Any, wanted: Search) -> Any:
    """Return a policy of two time scales whose planner searches in another way."""
    search = dataclasses.replace(
        policy.lower.search,
        num_candidates=wanted.candidates,
        num_elites=wanted.elites,
        iterations=wanted.iterations,
        elite_memory=policy.lower.search.elite_memory and not wanted.cold,
    )
    lower = dataclasses.replace(
        policy.lower, search=search, horizon=wanted.slots, warm_start=not wanted.cold
    )
    return dataclasses.replace(policy, lower=lower)


def latencies_s(run: Run, scenario: Scenario, wanted: Search) -> np.ndarray:
    """Return the mean latency ``[seeds, episodes]`` [s] of a run under a search."""
    problem = build(scenario, run.request.data)
    inputs, system = evaluation_inputs(scenario, problem), system_of(problem.kind)
    rows = []
    for entry in seeds_of(run, problem):
        one = dataclasses.replace(entry, policy=searched(entry.policy, wanted))
        ended = scenario.evaluation.post_termination_reward
        rows.append(np.asarray(system.play(one, problem, inputs, 0, ended)[0]["latency_s"]))
    return np.stack(rows)


def shortened(scenario: Scenario, episodes: int, epochs: int) -> Scenario:
    """Return the scenario with so many held-out episodes of so many epochs."""
    return dataclasses.replace(
        scenario,
        evaluation=dataclasses.replace(scenario.evaluation, episodes=episodes),
        params=dataclasses.replace(scenario.params, epochs=epochs),
    )


def main() -> None:
    """Compare the searches on the episodes of the run's own scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a training of hadrl")
    parser.add_argument("--searches", default="small,default,wide,published")
    parser.add_argument("--episodes", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=1, help="of an episode")
    asked = parser.parse_args()
    names = asked.searches.split(",")
    unknown = [name for name in names if name not in SEARCHES]
    if unknown:
        parser.error(f"--searches must be of {', '.join(SEARCHES)}; got {unknown[0]}")
    run = load_run(asked.run)
    scenario = shortened(run.request.scenario, asked.episodes, asked.epochs)
    results, rows = {}, []
    for name in names:
        started = time.perf_counter()
        results[name] = {"x": latencies_s(run, scenario, SEARCHES[name])}
        seconds = round(time.perf_counter() - started, 1)
        mean = joint_bootstrap({name: results[name]}, lambda m, n=name: m[n]["x"])
        rows.append({"search": name, **dataclasses.asdict(SEARCHES[name])})
        rows[-1] |= {"latency_s": mean.summary(), "seconds": seconds}
    last = names[-1]
    for name, row in zip(names[:-1], rows[:-1], strict=True):
        difference = joint_bootstrap(
            {"a": results[name], "b": results[last]},
            lambda m: 100.0 * (m["a"]["x"] - m["b"]["x"]) / m["b"]["x"],
            paired_seeds=True,
        )
        row[f"percent_above_{last}"] = difference.summary()
    seeds, episodes = results[last]["x"].shape
    facts = {"device": str(jax.devices()[0]), "seeds": seeds, "episodes": episodes}
    print(json.dumps({**facts, "epochs": asked.epochs, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
