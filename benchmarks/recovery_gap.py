"""Print what stands between an updated policy and one that was trained on the new law alone.

    python benchmarks/recovery_gap.py --out runs/recovery-gap --retrain 1e5

The change and the sizes are those of `examples/closed_loop.py`, without a service. One policy is
retrained in the scenario that is fitted to its log, one in the true new law: the difference is what
the calibration costs. The rest is what training costs that begins with the old law. Trainings
resume in the folder.
"""

from __future__ import annotations

import argparse
import runpy
from pathlib import Path

import numpy as np

from edgewright.bundle import load as load_bundle
from edgewright.core.compilation import keep_compilations
from edgewright.deploy.export_run import export_run
from edgewright.evaluation.statistics import mean_interval, paired_difference
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import world_of_learner
from edgewright.scenarios.load import load
from edgewright.scenarios.write import changed_scenario
from edgewright.serve.log_table import LogTable
from edgewright.systems.registry import system_of
from edgewright.systems.system import PolicyEntry
from edgewright.training.runs import Request, evaluation_inputs, load_run, train
from edgewright.update.calibrate import calibrated
from edgewright.update.plan import HELD_OUT
from edgewright.update.simulate import SimulatedEdge, simulated_log

EXAMPLE = Path(__file__).parents[1] / "examples" / "closed_loop.py"
LEARNER = "se-ppo"


def trained(folder, name, scenario, steps, start=None):
    """Return a finished run, from the weights of another one if there is one."""
    origin = "old" if start is not None else ""
    train(Request(scenario, LEARNER, steps, 1, start=origin), folder / name, None, start)
    return load_run(folder / name)


def main():
    parser = argparse.ArgumentParser(description="Measure what an update does not recover.")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--retrain", default=1e5, type=float)
    given = parser.parse_args()
    keep_compilations()
    shared = runpy.run_path(str(EXAMPLE))
    steps, more, folder = shared["STEPS"], given.retrain, given.out
    old = load("aigc-heavy", shared["SETTINGS"])
    new = changed_scenario(old, shared["CHANGE"], "the change")
    first = trained(folder, "old", old, steps)
    bundle = folder / "p.edge"
    if not bundle.exists():
        export_run(folder / "old", bundle)
    problem = build(new)
    world = world_of_learner(LEARNER, problem)
    edge = SimulatedEdge(problem, world, shared["COPIES"])
    rows = simulated_log(edge, load_bundle(bundle), slots=shared["AFTER"], explore="own", seed=3)
    older = LogTable(rows[: round((1 - HELD_OUT) * len(rows))])
    fitted, _ = calibrated(old, older, "the log")
    begin = first.trainings[0]
    runs = {
        "the old policy": first,
        "retrained in the fitted scenario": trained(folder, f"fit-{more:g}", fitted, more, begin),
        "retrained in the true new law": trained(folder, f"true-{more:g}", new, more, begin),
        "trained on the new law alone": trained(folder, f"known-{more:g}", new, steps + more),
    }
    inputs, missed = evaluation_inputs(new, problem), new.evaluation.post_termination_reward
    scores = {}
    for name, run in runs.items():
        policy = run.trainer.deployable(run.trainings[0], None).greedy
        entry = PolicyEntry.learned("", policy, world)
        scores[name] = np.asarray(
            system_of("aigc").play(entry, problem, inputs, 0, missed)[0]["reward"]
        )
    *_, known = scores.values()
    lost = float(np.mean(known - scores["the old policy"]))
    print(f"{steps:g} steps on the old law, {more:g} of retraining, {len(known)} episodes")
    for name, score in scores.items():
        gap = paired_difference(score, known)
        share = 1.0 + gap.estimate / lost
        print(f"{name}: {mean_interval(score).text('+.4f')} a slot; minus the last one "
              f"{gap.text('+.4f')}, {max(share, 0.0):.0%} recovered")  # fmt: skip


if __name__ == "__main__":
    main()
