"""Edge deep Q-learning in five steps: collect, train on all devices, compress, deploy, update.

    pip install '.[train,deploy,serve,ray]'    # without ray, one process trains
    python examples/five_steps.py              # a minute or two, most of it compiling
    python examples/five_steps.py FOLDER       # keep all files there

1. Devices report what they can do; the reports become a scenario.
2. Two worker processes train a network on each device and exchange what the networks learn.
3. The network is exported, and quantised to eight bits.
4. A service decides with it. Devices ask over HTTP, act, and report what came of it. Half-way all
   servers become slower.
5. The drift test says so. The scenario is fitted to the log and the fleet is trained again. If the
   new network, quantised too, earns more than the served one on identical inputs, it takes the file
   that is served, and the running service takes it up.

The commands are those of docs/guides/five-steps.md. The numbers are tiny: scores say little, and
four episodes decide which network is better. A real update takes more, and looks at the interval.
"""

import contextlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import jax
import numpy as np

import edgewright as ew
from edgewright.bundle import load as load_bundle
from edgewright.bundle.choices import ACTION
from edgewright.cli.main import app
from edgewright.client import Client
from edgewright.core.files import write_bytes
from edgewright.scenarios.build import build
from edgewright.scenarios.learners import world_of_learner
from edgewright.scenarios.load import load
from edgewright.scenarios.write import changed_scenario
from edgewright.update.simulate import SimulatedEdge

REPORTS = [  # clock rate, energy of a cycle, battery, radio, link, size and work of tasks, requests
    {"ghz": 2.3, "kappa": 9e-28, "battery_j": 15000, "transmit_w": 1.1, "mbps": (42, 157),
     "mb": (15, 26), "gcycles": (4.3, 9.0), "modes": (0.1, 0.2, 0.7)},
    {"ghz": 1.4, "kappa": 5e-28, "battery_j": 7000, "transmit_w": 2.5, "mbps": (39, 114),
     "mb": (10, 19), "gcycles": (2.3, 7.3), "modes": (0.4, 0.1, 0.5)},
    {"ghz": 2.9, "kappa": 7e-28, "battery_j": 19500, "transmit_w": 2.3, "mbps": (54, 170),
     "mb": (9, 18), "gcycles": (4.0, 9.1), "modes": (0.6, 0.1, 0.3)},
]  # fmt: skip
SLOTS = 30  # before and after the servers become slower
SLOW = 0.4
PATIENCE_S = 60.0  # until the service takes up a file
STEPS = "1e3"
SMALL = {
    "params.horizon_slots": 40,
    "evaluation.episodes": 4,
    "training.evaluations": 1,
    "learner.hidden_sizes": [16],
    "learner.learning_starts": 64.0,
    "learner.train_freq": 16,
    "learner.num_envs": 4,
}
COMPARED = ("params.horizon_slots", "evaluation.episodes")


def edgewright(*words):
    """Run one command of the command line in this process, and show it."""
    print("$ edgewright", *words, flush=True)
    app([str(word) for word in words], standalone_mode=False)


def collect(file):
    """Step 1: write the reports of the devices as a scenario that extends the shipped fleet."""

    def each(name):
        return [report[name] for report in REPORTS]

    def between(name, kind="uniform", **more):
        low, high = ([float(pair[n]) for pair in each(name)] for n in (0, 1))
        return {"kind": kind, "low": low, "high": high, **more}

    tables = {
        "world": {"devices": len(REPORTS)},
        "params": {
            "device_ghz": each("ghz"),
            "kappa": each("kappa"),
            "battery_j": [float(value) for value in each("battery_j")],
            "transmit_w": each("transmit_w"),
        },
        "streams": {
            "work_gcycles": between("gcycles"),
            "input_mb": between("mb"),
            "mode": {"kind": "categorical", "probabilities": [list(m) for m in each("modes")]},
            "bandwidth_mbps": between("mbps", "reflected_walk", step_std=8.0),
        },
    }
    lines = ["schema = 1", 'extends = "aigc-fleet"', 'name = "our-fleet"', 'title = "Our devices"']
    for table, entries in tables.items():
        lines += ["", f"[{table}]", *(f"{key} = {toml(value)}" for key, value in entries.items())]
    file.write_text("\n".join(lines) + "\n")
    print(f"step 1: {len(REPORTS)} devices reported; their scenario is {file.name}")


def toml(value):
    """Return a value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)


def train(scenario, out):
    """Step 2: train on all devices, on two worker processes where Ray is installed."""
    engine = ["--engine", "ray", "--workers", 2] if importlib.util.find_spec("ray") else []
    settings = [word for key, value in SMALL.items() for word in ("--set", f"{key}={toml(value)}")]
    command = ["train", scenario, "--learner", "dqn", "--mode", "federated", *engine]
    edgewright(*command, "--steps", STEPS, "--out", out, *settings)


@contextlib.contextmanager
def service(bundle, log):
    """Run the decision service of step 4; yield its address."""
    command = [sys.executable, "-m", "edgewright", "serve", str(bundle), "--port", "0"]
    command += ["--log", str(log), "--explore", "0.05"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        url = address(process.stderr)
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def address(lines):
    """Return the address that a service names in its first lines."""
    read = []
    for line in lines:
        read.append(line)
        for word in line.split():
            if word.startswith("http://"):
                return word.rstrip("/.,;")
    raise SystemExit(f"the service ended before it named its address:\n{''.join(read)}")


def slower(scenario):
    """Return the scenario with slower servers."""
    rates = [SLOW * value for value in scenario.params.server_ghz]
    return changed_scenario(scenario, {"params.server_ghz": rates}, "slower")


def play(client, bundle, scenario, seed):
    """Let all devices ask for decisions, act, and report; return the mean reward."""
    problem = build(scenario)
    edge = SimulatedEdge(problem, world_of_learner("dqn-fleet", problem), 1)
    state, rows = edge.start(jax.random.key(seed), SLOTS)
    interface, rewards = load_bundle(bundle).interface, []
    for slot in range(SLOTS):
        observed = edge.observations(state, rows, slot)
        decisions = [client.decide(interface.observation(row.tolist())) for row in observed]
        actions = np.array([decision[ACTION] for decision in decisions])
        state, reward, metrics = edge.step(state, rows, slot, actions)
        for n, decision in enumerate(decisions):
            facts = {name: float(values[n]) for name, values in metrics.items()}
            client.outcome(decision["id"], reward=float(reward[n]), **facts)
        rewards.append(float(np.mean(reward)))
    return float(np.mean(rewards))


def update(client, scenario, served, candidate):
    """Step 5, its end: let the better of two bundles decide, and wait until it does."""
    problem = ew.make(str(scenario), {name: SMALL[name] for name in COMPARED})
    table = ew.compare(problem, [str(served), str(candidate)])
    rewards = {row["policy"]: row["reward"] for row in table.rows}
    old, new = rewards[str(served)], rewards[str(candidate)]
    print(f"step 5: on identical inputs the old network earns {old:.3f}, the new one {new:.3f}")
    print(f"(in {SMALL['evaluation.episodes']} episodes, so the difference may be chance)")
    if new <= old:
        print("the old network goes on")
        return
    version = load_bundle(candidate).version
    write_bytes(served, candidate.read_bytes())
    wait_for(client, version)
    print("the new network decides")


def wait_for(client, version):
    """Wait until a service decides with a version of the policy."""
    end = time.monotonic() + PATIENCE_S
    while (now := client.policy()["version"]) != version:
        if time.monotonic() > end:
            raise SystemExit(f"after {PATIENCE_S:g} s the service has {now}, not {version}")
        time.sleep(0.2)


def main(folder):
    """Run the five steps in a folder."""
    scenario, log, served = folder / "fleet.toml", folder / "decisions.db", folder / "served.edge"
    collect(scenario)
    train(scenario, folder / "run")
    edgewright("export", folder / "run", "--out", folder / "fleet.edge")
    edgewright("compress", folder / "fleet.edge", "--stages", "int8", "--out", served)
    built = load(str(scenario), {"params.horizon_slots": SMALL["params.horizon_slots"]})
    with service(served, log) as url, Client(url, timeout_s=60.0, name="devices") as client:
        print(f"step 4: {url} decides; mean reward {play(client, served, built, 1):.3f}")
        print(f"servers are slower; mean reward {play(client, served, slower(built), 2):.3f}")
        edgewright("drift", "--log", log)
        edgewright("calibrate", "--log", log, "--scenario", scenario, "--out", folder / "new.toml")
        train(folder / "new.toml", folder / "run-2")
        new, small = folder / "fleet-2.edge", folder / "small-2.edge"
        edgewright("export", folder / "run-2", "--out", new)
        edgewright("compress", new, "--stages", "int8", "--out", small)
        update(client, folder / "new.toml", served, small)
        print(f"mean reward {play(client, served, slower(built), 3):.3f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as name:
            main(Path(name))
