"""Train, export a bundle, decide without JAX, then ask the HTTP service for decisions.

pip install '.[train,deploy,serve]'
python examples/deploy_and_ask.py
"""

import tempfile
from pathlib import Path

import edgewright as ew
from edgewright.client import Client
from edgewright.serve.process import running_service

OBSERVATION = {
    "input_mb": 17.5,
    "work_gcycles": 5.5,
    "mode": "balanced",
    "charge_pct": 80.0,
    "bandwidth_mbps": 100.0,
    "local_backlog_gcycles": 3.0,
    "phase": 0.5,
    "server_1_backlog_gcycles": 30.0,
    "server_2_backlog_gcycles": 10.0,
}


def ask_service(bundle):
    """Start the service on a free port, ask for one decision, report its reward, stop it."""
    serving = running_service(bundle, bundle.with_suffix(".db"))
    with serving as url, Client(url, timeout_s=30.0) as client:
        decision = client.decide(OBSERVATION)
        client.outcome(decision["id"], reward=0.4)
        print("from the service:", decision)


problem = ew.make("aigc-heavy", {"params.horizon_slots": 100, "evaluation.episodes": 20})
run = ew.train(problem, "se-ppo", steps=2e4)
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "p.edge"
    run.export(file, rules=["greedy"])
    print("from the file:", ew.load_bundle(str(file)).decide(OBSERVATION))
    ask_service(file)
