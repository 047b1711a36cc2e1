"""Print what stands between an updated policy and one that was trained on the new law alone.

    python benchmarks/recovery_gap.py --out runs/recovery-gap

The change and the sizes are those of `examples/closed_loop.py`, without a service. One policy is
retrained in the scenario that is fitted to its log, one in the true new law: the difference is what
the calibration costs. The last one is trained on the new law alone, for as many steps as the
update. Intervals are over seeds and episodes. Trainings resume in the folder.
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
from edgewright.serve.explore import read_explore
from edgewright.serve.log_table import LogTable
from edgewright.systems.registry import system_of
from edgewright.systems.system import PolicyEntry
from edgewright.training.runs import Request, evaluation_inputs, load_run, train
from edgewright.update.calibrate import calibrated
from edgewright.update.plan import HELD_OUT
from edgewright.update.simulate import SimulatedEdge, simulated_log

EXAMPLE = Path(__file__).parents[1] / "examples" / "closed_loop.py"


def trained(folder, name, scenario, learner, steps, seeds=1, start=None):
    """Return a finished run, from the weights of another one if there is one."""
    origin = "old" if start is not None else ""
    train(Request(scenario, learner, steps, seeds, start=origin), folder / name, None, start)
    return load_run(folder / name)


def main():
    parser = argparse.ArgumentParser(description="Measure what an update does not recover.")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--learner", help="that of the example if left out")
    parser.add_argument(
        "--steps", type=float, help="of the old training; the example's if left out"
    )
    parser.add_argument("--retrain", type=float, help="steps of the update; as --steps if left out")
    parser.add_argument("--seeds", type=int, default=4, help="of all trainings but the old one")
    parser.add_argument("--explore", help="in the log; as in the example if left out")
    parser.add_argument("--slots", type=int, help="of the log; as in the example if left out")
    given = parser.parse_args()
    keep_compilations()
    shared = runpy.run_path(str(EXAMPLE))
    learner, steps = given.learner or shared["LEARNER"], given.steps or shared["STEPS"]
    more, folder = given.retrain or steps, given.out / f"{learner}-{steps:g}"
    old = load("aigc-heavy", shared["SETTINGS"])
    new = changed_scenario(old, shared["CHANGE"], "the change")
    first = trained(folder, "old", old, learner, steps)
    bundle = folder / "p.edge"
    if not bundle.exists():
        export_run(folder / "old", bundle)
    problem = build(new)
    world = world_of_learner(learner, problem)
    edge = SimulatedEdge(problem, world, shared["COPIES"])
    explore = read_explore(given.explore or shared["EXPLORE"])
    slots = given.slots or shared["AFTER"]
    rows = simulated_log(edge, load_bundle(bundle), slots=slots, explore=explore, seed=3)
    older = LogTable(rows[: round((1 - HELD_OUT) * len(rows))])
    fitted, _ = calibrated(old, older, "the log")
    begin = first.trainings[0]

    def after(name, scenario, start=None):
        return trained(folder, f"{name}-{more:g}", scenario, learner, more, given.seeds, start)

    runs = {
        "the old policy": first,
        "retrained in the fitted scenario": after("fit", fitted, begin),
        "retrained in the true new law": after("true", new, begin),
        "trained on the new law alone": after("new", new),
    }
    inputs, missed = evaluation_inputs(new, problem), new.evaluation.post_termination_reward
    scores = {}
    for name, run in runs.items():
        policies = [run.trainer.deployable(one, None).greedy for one in run.trainings]
        entries = [PolicyEntry.learned("", policy, world) for policy in policies]
        scores[name] = np.stack([
            np.asarray(system_of("aigc").play(entry, problem, inputs, 0, missed)[0]["reward"])
            for entry in entries
        ])  # fmt: skip
    *_, known = scores.values()
    lost = float(np.mean(known) - np.mean(scores["the old policy"]))
    print(f"{learner}: {steps:g} steps on the old law, {more:g} of update, {given.seeds} seeds, "
          f"{known.shape[1]} episodes")  # fmt: skip
    for name, score in scores.items():
        gap = paired_difference(score, known)
        each = ", ".join(f"{np.mean(seed):+.4f}" for seed in score)
        share = max(1.0 + gap.estimate / lost, 0.0)
        print(f"{name}: {mean_interval(score).text('+.4f')} a slot (seeds {each}); minus the last "
              f"one {gap.text('+.4f')}, {share:.0%} recovered")  # fmt: skip


if __name__ == "__main__":
    main()
