"""Update a policy of binary offloading, or of caching, from the log of its own service.

    pip install '.[train,deploy,serve]'
    python examples/update_by_replay.py            # binary: another cell, with other devices
    python examples/update_by_replay.py caching    # caching: other services become popular

A service decides for a simulated site, which changes. The drift test says so. The gains or requests
of the log do not depend on decisions, so they are played again: the network of `binary` is tuned on
them, the policy of `caching` is retrained for the popularity that they show. The new bundle takes
over behind the same gate while the service runs. At the end both policies are played on the same
logged inputs, without exploring: a single explored slot over a faded channel may cost hours, so the
mean of what was logged says little.
"""

import dataclasses
import sys
import tempfile
from pathlib import Path

import numpy as np

from edgewright.bundle import load as load_bundle
from edgewright.client import Client
from edgewright.core.errors import CheckFailed
from edgewright.deploy.export_run import export_run
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import world_of_learner
from edgewright.scenarios.load import load
from edgewright.scenarios.write import changed_scenario
from edgewright.serve.log_reader import DecisionLogReader
from edgewright.serve.log_table import LogTable
from edgewright.serve.process import running_service
from edgewright.systems.registry import system_of
from edgewright.training.runs import Request, train
from edgewright.update.log_parts import drift_of, read_parts
from edgewright.update.replayed import REPLAYED, played
from edgewright.update.site import SimulatedSite, outcomes
from edgewright.update.update import UpdatePlan, update

BEFORE, RECOVERED = 200, 200  # decisions
BINARY = {
    "world.devices": 6,
    "params.horizon_slots": 100,
    "params.train_scenarios": 40,
    "evaluation.episodes": 8,
    "learner.num_candidates": 6,
    "learner.hidden_sizes": [64, 32],
    "training.evaluations": 1,
}
CACHING = {
    "world.users": 6,
    "world.services": 4,
    "params.service_mib": [4000.0, 6000.0, 8000.0, 10000.0],
    "params.input_mbit": [4.0, 12.0, 20.0, 28.0],
    "params.work_gcycles": [0.3, 0.9, 1.6, 2.4],
    "params.tolerance_s": [1.0, 2.0, 3.0, 4.0],
    "params.cache_gib": 10.0,
    "params.epochs": 4,
    "streams.service": {"kind": "categorical", "probabilities": [0.7, 0.15, 0.1, 0.05]},
    "evaluation.episodes": 16,
    "evaluation.baseline": "lfu+hit-root",
    "evaluation.reference": "lfu+hit-root",
    "learner.upper.hidden_sizes": [16],
    "learner.lower.hidden_sizes": [16],
    "training.evaluations": 1,
}
POPULAR = {"kind": "categorical", "probabilities": [0.05, 0.1, 0.15, 0.7]}
KINDS = {  # preset, settings, learner, steps, steps of the update, decisions after, exploring
    "binary": ("binary-hard", BINARY, "maml-nearest", 6.4e4, None, 1000, ("--explore", "0.3")),
    "caching": ("caching-es2", CACHING, "ddpg-ddpg", 6e3, 6e3, 900, ()),
}


def sites(kind, scenario, learner):
    """Return the site before and after a change: another cell, or another popularity."""
    problem = build(scenario)
    if kind == "binary":
        parts = [problem.only(0), problem.only(1)]
    else:
        parts = [problem, build(changed_scenario(scenario, {"streams.service": POPULAR}, "after"))]
    return [SimulatedSite(part, world_of_learner(learner, part), 1) for part in parts]


def with_interval(value):
    """Return the text of an estimate with its 95 % interval."""
    return f"{value.estimate:+.4f} [{value.low:+.4f}, {value.high:+.4f}]"


def compared(log, old, new, bundles):
    """Print both policies on the same logged inputs, by the true world, before and after.

    Args:
        log: of the service.
        old: the site before the change; ``new`` after it.
        bundles: the updated policy and the one before.
    """
    with DecisionLogReader(log) as reader:
        rows = list(reader.rows())
    print("mean reward on the logged inputs of each part, without exploring:")
    parts = {
        "before": (old, rows[:BEFORE]),
        "changed": (new, rows[BEFORE:-RECOVERED]),
        "updated": (new, rows[-RECOVERED:]),
    }
    for name, (site, part) in parts.items():
        table, problem = LogTable(part), dataclasses.replace(site.problem, world=site.world)
        inputs = system_of(problem.kind).replay.inputs(problem, table)
        result = played(bundles, problem, inputs, table.reward, str(log))
        values = [one.methods[REPLAYED] for one in (result.running, result.candidate)]
        first, updated = (with_interval(one) for one in values)
        gain = with_interval(result.difference[REPLAYED])
        print(f"  {name}: old policy {first}, updated {updated}, difference {gain}")
        print(f"    as logged, {len(table)} decisions: {np.mean(table.reward):+.4f}")


def main(kind, folder):
    """Run the loop of one system in a folder; return what the update reported."""
    preset, settings, learner, steps, more, after, options = KINDS[kind]
    scenario = load(preset, settings)
    train(Request(scenario, learner, steps, 1), folder / "run")
    served, log = folder / "p.edge", folder / "log.db"
    interface = export_run(folder / "run", served).interface
    old, new = sites(kind, scenario, learner)
    serving = running_service(served, log, *options)
    with serving as url, Client(url, timeout_s=60.0, name="site") as client:
        first = load_bundle(served)
        list(outcomes(old, client, interface, BEFORE))
        list(outcomes(new, client, interface, after))
        report = drift_of(*read_parts(log, None, BEFORE / (BEFORE + after)), 0.01)
        names = [one.name for one in report.fields if one.alarm]
        names += ["reward"] if report.reward and report.reward.alarm else []
        print(f"drift: {'noticed' if report.alarm else 'not noticed'}, by {', '.join(names[:4])}")
        plan = UpdatePlan(served, log, folder / "run", served, folder / "work", more, newest=after)
        try:
            result = update(plan)
        except CheckFailed as error:
            print(f"update: refused, {error}")
            return None
        while client.policy()["version"] != result["version"]:
            pass
        list(outcomes(new, client, interface, RECOVERED))
    print(f"update: {load_bundle(served).version} passed the gate")
    compared(log, old, new, (load_bundle(served), first))
    for name, value in result["held_out"]["difference"].items():
        text = "{estimate:+.4f} [{low:+.4f}, {high:+.4f}]".format(**value)
        print(f"updated policy minus the old one on the newest decisions, {name}: {text}")
    gap = result["simulation"]
    low, high = gap["difference_low"], gap["difference_high"]
    print(f"the same in simulation: {gap['difference']:+.4f} [{low:+.4f}, {high:+.4f}]")
    for key, change in load_bundle(served).facts["lineage"][-1]["calibration"].items():
        print(f"  {key} = {change}")
    return result


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(sys.argv[1] if len(sys.argv) > 1 else "binary", Path(temporary))
