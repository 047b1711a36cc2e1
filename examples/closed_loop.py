"""Serve a policy, let the world change, notice it, update the policy behind a gate, and recover.

    pip install '.[train,deploy,serve]'
    python examples/closed_loop.py            # minutes; writes closed_loop.png
    python examples/closed_loop.py --quick    # smaller, for a first look

A decision service runs in front of a simulated edge. Half-way the bandwidth and the load of a
server change. The drift test says so, `update` fits the scenario to the log, retrains from the old
weights and replaces the bundle that is served, while requests go on. Then three poisoned copies of
the log are offered to the same gate.
"""

import dataclasses
import shutil
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.bundle import load as load_bundle
from edgewright.bundle.choices import ACTION
from edgewright.client import Client
from edgewright.core.errors import CheckFailed
from edgewright.deploy.compression import setting_of
from edgewright.deploy.export_run import export_run
from edgewright.evaluation.statistics import paired_difference
from edgewright.export.policy import whole_policy
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import world_of_learner
from edgewright.scenarios.load import load
from edgewright.scenarios.write import changed_scenario
from edgewright.serve.log_reader import DecisionLogReader
from edgewright.serve.process import running_service
from edgewright.serve.store import Entry, Report, Store
from edgewright.training.runs import Request, train
from edgewright.update.log_parts import drift_of
from edgewright.update.simulate import SimulatedEdge
from edgewright.update.update import UpdatePlan, update

QUICK = "--quick" in sys.argv
LEARNER = "se-ppo" if QUICK else "all-action-guided"
EXPLORE = "own" if QUICK else "0.2"  # a policy that was trained for long hardly explores itself
STEPS, RETRAIN = (2e4, 2e4) if QUICK else (1e6, 1e6)
COPIES = 32  # devices, each in a world of its own, each with its own name
BEFORE, AFTER, RECOVERED = (40, 140, 20) if QUICK else (100, 200, 100)  # slots
SETTINGS = {
    "params.horizon_slots": 40 if QUICK else 100,
    "evaluation.episodes": 24 if QUICK else 100,
    "learner.hidden_sizes": [16, 16] if QUICK else [64, 64],
    "training.evaluations": 1,
}
CHANGE = {
    "params.server_ghz": [6.0, 16.0],
    "params.background_utilisation": [0.75, 0.3],
    "streams.bandwidth_mbps": {
        "kind": "reflected_walk",
        "low": 15.0,
        "high": 60.0,
        "step_std": 4.0,
    },
}


def edge_of(scenario):
    """Return copies of a scenario's world, played by whoever decides."""
    problem = build(scenario)
    return SimulatedEdge(problem, world_of_learner(LEARNER, problem), COPIES)


class Devices:
    """Devices that ask the service, act in their worlds, and report what came of it."""

    def __init__(self, url, interface):
        self.clients = [Client(url, timeout_s=60.0, name=f"cell-{n}") for n in range(COPIES)]
        self.interface, self.rewards, self.asked, self.failed = interface, [], 0, 0
        self.pool, self.state = ThreadPoolExecutor(COPIES), None

    def play(self, edge, slots, seed, until=lambda slot: False):
        """Play slots with new inputs, from where the devices are; stop where ``until`` says so.

        At first they are at all parts of an episode, so that no clock of episodes looks like drift.
        """
        state, rows = edge.start(jax.random.key(seed), slots)
        spread = jnp.arange(COPIES) * SETTINGS["params.horizon_slots"] // COPIES
        state = dataclasses.replace(state, slot=spread) if self.state is None else self.state
        for slot in range(slots):
            observed = edge.observations(state, rows, slot)
            decisions = [*self.pool.map(self.ask, self.clients, observed)]
            actions = np.array([one[ACTION] for one in decisions])
            state, reward, metrics = edge.step(state, rows, slot, actions)
            each = [{k: float(v[n]) for k, v in metrics.items()} for n in range(COPIES)]
            list(self.pool.map(self.tell, self.clients, decisions, reward, each))
            self.state = state
            self.rewards.append(float(np.mean(reward)))
            if until(slot):
                return

    def ask(self, client, row):
        """Ask for one decision."""
        self.asked += 1
        try:
            return client.decide(self.interface.observation(row.tolist()))
        except Exception:
            self.failed += 1
            raise

    @staticmethod
    def tell(client, decision, reward, metrics):
        """Report one outcome."""
        client.outcome(decision["id"], reward=float(reward), **metrics)


def logged(file):
    """Return the decisions of a log."""
    with DecisionLogReader(file) as reader:
        return list(reader.rows())


def first_alarm(file, start):
    """Return after how many slots of the new law a drift test fires, and by which fields.

    Raises:
        CheckFailed: none does, so that no update is due.
    """
    rows = logged(file)
    before, now = rows[start // 4 * COPIES : start * COPIES], rows[start * COPIES :]
    looks = range(10, AFTER + 1, 10)
    for slots in looks:  # the rate of false alarms, 0.01, is that of all looks together
        report = drift_of(before, now[: slots * COPIES], rate=0.01 / len(looks))
        if report.alarm:
            names = [one.name for one in report.fields if one.alarm]
            return slots, names + (["reward"] if report.reward and report.reward.alarm else [])
    raise CheckFailed(f"no test of drift fired in {AFTER} slots after the change")


def write_log(rows, file):
    """Write decisions as a log of their own."""
    store = Store(file)
    entries = [
        Entry(r.id, r.at, r.policy, r.decided_by, r.observation, r.decision, r.clamped,
              r.propensity, r.client)
        for r in rows
    ]  # fmt: skip
    reports = [
        Report(r.id, r.outcome_at, r.reward, r.metrics, lambda text: None)
        for r in rows
        if r.reward is not None
    ]
    store.write(entries, reports)
    store.close()


def poisoned(rows):
    """Return three poisoned copies of decisions, by name."""
    rng = np.random.default_rng(0)
    wrong = rng.random(len(rows)) < 0.05
    absurd = {"delay_s": 1e-9, "device_energy_j": 1e-9}

    def change(row, **values):
        return dataclasses.replace(row, **values)

    return {
        "rewards inverted": [change(row, reward=-row.reward) for row in rows],
        "5 % absurd outcomes": [
            change(row, reward=1e5, metrics=absurd) if bad else row
            for row, bad in zip(rows, wrong, strict=True)
        ],
        "one client lies": [
            change(row, reward=-row.reward) if row.client == "cell-7" else row for row in rows
        ],
    }


def compare(one, other, scenario):
    """Return the difference of reward of two bundles in a scenario, on the same episodes."""
    bundles = [
        dataclasses.replace(b, facts={**b.facts, "scenario": scenario}) for b in (one, other)
    ]
    setting = setting_of(bundles[0])
    return paired_difference(*(setting.rewards(whole_policy(bundle)) for bundle in bundles))


def draw(rewards, alarm, gaps, file):
    """Draw the reward of every slot, the change, the alarm and the swap; beside it what is left.

    Args:
        gaps: difference to a policy trained on the new law, on the same episodes, by policy.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (axes, beside) = plt.subplots(
        1, 2, figsize=(9.0, 3.0), layout="constrained", width_ratios=(2, 1)
    )
    width = 10
    smooth = np.convolve(rewards, np.ones(width) / width, mode="valid")
    axes.plot(np.arange(len(rewards)), rewards, color="#BBBBBB", linewidth=0.7, label="each slot")
    axes.plot(np.arange(len(smooth)) + width - 1, smooth, color="#0072B2", label="mean of 10 slots")
    marks = [(BEFORE, "bandwidth and load change"), (BEFORE + AFTER, "updated policy takes over")]
    marks.append((BEFORE + alarm, "drift is noticed"))
    for at, text in marks:
        axes.axvline(at, color="#D55E00", linewidth=0.9)
        side = "left" if "drift" in text else "right"
        axes.annotate(text, (at, 0.03), xycoords=("data", "axes fraction"), rotation=90,
                      va="bottom", ha=side, fontsize=7)  # fmt: skip
    axes.set(xlabel="slot")
    axes.set_ylabel(f"reward per slot, mean of {COPIES} devices", fontsize=8)
    axes.legend(loc="lower right", fontsize=7)
    for row, gap in enumerate(gaps.values()):
        beside.plot([gap.low, gap.high], [row, row], color="#0072B2")
        beside.plot(gap.estimate, row, "o", color="#0072B2")
    beside.axvline(0.0, color="#BBBBBB", linewidth=0.9)
    beside.set_yticks(range(len(gaps)), gaps, fontsize=7)
    beside.set(ylim=(-0.6, len(gaps) - 0.4))
    beside.set_xlabel(
        "reward minus that of a policy trained\non the new law, without exploring", fontsize=7
    )
    figure.savefig(file, dpi=150)
    plt.close(figure)


def main(folder):
    """Run the loop in a folder; return the numbers that it prints."""
    old = load("aigc-heavy", SETTINGS)
    new = changed_scenario(old, CHANGE, "the change")
    train(Request(old, LEARNER, STEPS, 1), folder / "run")
    served, log = folder / "p.edge", folder / "log.db"
    export_run(folder / "run", served)
    first = load_bundle(served)
    print(f"deployed: {first.version}")
    with running_service(served, log, "--explore", EXPLORE) as url:
        devices = Devices(url, first.interface)
        devices.play(edge_of(old), BEFORE, 1)
        devices.play(edge_of(new), AFTER, 2)
        alarm, names = first_alarm(log, BEFORE)
        print(f"drift: noticed {alarm} slots after the change, by {', '.join(names)}")
        plan = UpdatePlan(served, log, folder / "run", served, folder / "work", RETRAIN,
                          newest=AFTER * COPIES)  # fmt: skip
        rows = logged(log)[-AFTER * COPIES :]
        done = threading.Event()
        ahead = threading.Thread(
            target=lambda: devices.play(edge_of(new), 2000, 3, lambda slot: done.is_set())
        )
        counted = len(devices.rewards)
        ahead.start()
        try:
            result = update(plan)
            with Client(url, timeout_s=60.0) as client:
                while client.policy()["version"] != result["version"]:
                    done.wait(0.05)
        finally:
            done.set()
            ahead.join()
        del devices.rewards[counted:]  # slots during the retraining, as many as it took
        devices.play(edge_of(new), RECOVERED, 4)
        devices.pool.shutdown()
    print(f"update: {result['version']} passed the gate; {devices.asked:,} requests were sent, "
          f"{devices.failed} failed")  # fmt: skip
    parts = np.split(np.array(devices.rewards), [BEFORE, BEFORE + AFTER])
    means = [float(np.mean(part)) for part in parts]
    print(
        "reward per slot: {:+.4f} before, {:+.4f} after the change, {:+.4f} updated".format(*means)
    )
    gaps = recovery(folder, new, load_bundle(served), first)
    draw(devices.rewards, alarm, gaps, "closed_loop.png")
    poison(folder, rows, plan, first)
    return {"alarm": alarm, "failed": devices.failed, "means": means}


def recovery(folder, new, updated, first):
    """Compare all policies with one trained on the new law alone; return the differences."""
    from edgewright.scenarios.load import resolved

    known = []
    for steps in (RETRAIN, STEPS + RETRAIN):
        run = folder / f"known-{steps:g}"
        train(Request(new, LEARNER, steps, 1), run)
        known.append(export_run(run, run.with_suffix(".edge")))
    policies = {"old policy": first, "updated policy": updated, "trained twice as long": known[1]}
    gaps = {name: compare(one, known[0], resolved(new)) for name, one in policies.items()}
    gain = compare(updated, first, resolved(new))
    print(f"updated policy minus the old policy: {gain.text('+.4f')} per slot in the new world")
    print(f"minus one trained on the new law alone for {RETRAIN:g} steps:")
    for name, gap in gaps.items():
        print(f"  {name}: {gap.text('+.4f')}")
    return gaps


def poison(folder, rows, plan, first):
    """Offer poisoned logs to the gate; what passes must be no worse than the old policy."""
    served = folder / "first.edge"
    shutil.copy(folder / "p.edge.history" / f"{first.version}.edge", served)
    for name, wrong in poisoned(rows).items():
        file = folder / f"{name}.db"
        write_log(wrong, file)
        again = dataclasses.replace(
            plan, bundle=served, log=file, out=folder / "wrong.edge", work=folder / f"work {name}"
        )
        try:
            result = update(again)
        except CheckFailed as error:
            print(f"poisoned, {name}: refused, {str(error).splitlines()[0]}")
        else:
            low = result["simulation"]["difference_low"]
            print(f"poisoned, {name}: {result['trust']['lying']} left out; better by {low:+.4f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
