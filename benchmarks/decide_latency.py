"""How long one decision takes in the process: one observation, one thread, a 64x64 network.

    python benchmarks/decide_latency.py [--bundle p.edge] [--rounds 40] [--calls 250]

Compared, with the same weights and in turns so that a busy machine meets all alike:

- ``Bundle.decide``: named fields, checked and put into a row, then the graph in onnxruntime;
- ``Bundle.engine.one``: the same with the row ready;
- both with the graph for LiteRT beside (``edgewright export --litert``), where LiteRT is installed;
- the same graph by a plain ``InferenceSession.run``;
- a jitted JAX function of the same layers, row in, whole number out;
- torch, eager, without gradients, row in, whole number out;
- ``predict`` of Stable-Baselines3 (PPO, ``MlpPolicy``). Normalisation belongs to ``VecNormalize``
  there and is done before the clock starts, which is in its favour.

First all decide the same observations, and the share of equal actions is reported. Libraries that
are not installed are left out. Without ``--bundle``, a policy is trained for a moment: the time
does not depend on how good it is.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

import argparse
import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import onnxruntime
from common import bundle_file, observations, quantiles, table

from edgewright.bundle import Bundle, load
from edgewright.bundle.bundle import POLICY, pack_again
from edgewright.bundle.lite import runtime
from edgewright.export.layers import Dense, Standardise, read_layers, run
from edgewright.export.lite import MEMBER, with_lite
from edgewright.export.write import read_arrays
from edgewright.rules.normalise import CLIP

Call = tuple[Callable[[Any], int], list[Any]]
"""What decides, and the inputs it decides."""

DECIDE, READY, JAX, SB3 = "Bundle.decide", "Bundle.engine.one", "jax, jitted", "sb3 predict"
LITE = ", LiteRT"
"""Behind the names of ours."""
GOAL_US, GOAL_RATIO = 15.0, 5.0


def calls(bundle: Bundle, count: int) -> dict[str, Call]:
    """Return everything that is compared, with the same observations as each takes them."""
    asked = observations(bundle.interface, count)
    rows = [bundle.interface.encode(one)[0] for one in asked]
    arrays = [np.asarray([row], np.float32) for row in rows]
    place = bundle.engine.outputs.index("action")
    session = plain_session(bundle)
    layers = read_layers(
        bundle.facts["graphs"]["policy"]["layers"], read_arrays(bundle.graph()), bundle.path
    )
    compiled = jax.jit(lambda row: run(layers, row).argmax(-1)[0])
    found: dict[str, Call] = {}
    for name, one in ours(bundle).items():
        found[DECIDE + name] = (lambda asked, one=one: one.decide(asked)["action"], asked)
        found[READY + name] = (lambda row, one=one: one.engine.one(row)[place], rows)
    found |= {
        "onnxruntime run": (
            lambda row: int(session.run(["action"], {"observation": row})[0][0]),
            arrays,
        ),
        JAX: (lambda row: int(compiled(row)), arrays),
    }
    return found | torch_calls(layers, arrays)


def ours(bundle: Bundle) -> dict[str, Bundle]:
    """Return the bundle without and, where LiteRT is installed, with its graph."""
    without = make_without_lite(bundle)[1]
    if not runtime():
        print("LiteRT is not installed: left out")
        return {"": without}
    return {"": without, LITE: with_lite(without)[1]}


def make_without_lite(bundle: Bundle) -> tuple[bytes, Bundle]:
    """Return a bundle that decides single rows with onnxruntime."""
    graphs = bundle.facts["graphs"]
    policy = {key: value for key, value in graphs[POLICY].items() if key != "lite"}
    members = {name: member for name, member in bundle.members.items() if name != MEMBER}
    facts = {**bundle.facts, "graphs": {**graphs, POLICY: policy}}
    return pack_again(facts, members, bundle.path)


def plain_session(bundle: Bundle) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(bundle.graph(), options, providers=["CPUExecutionProvider"])


def torch_calls(layers: tuple[Any, ...], arrays: list[np.ndarray]) -> dict[str, Call]:
    """Return the network in torch and in Stable-Baselines3, where they are installed."""
    try:
        import torch
    except ImportError:
        print("torch is not installed: left out, and stable-baselines3 with it")
        return {}
    torch.set_num_threads(1)
    dense = [layer for layer in layers if isinstance(layer, Dense)]
    norm = layers[0]
    assert isinstance(norm, Standardise), "the policy does not normalise: use another"
    mean, deviation = (torch.tensor(np.asarray(a)) for a in (norm.mean, norm.deviation))
    modules: list[Any] = []
    for layer in dense:
        linear = torch.nn.Linear(*layer.weight.shape)
        copy_weights(linear, layer)
        modules += [linear, torch.nn.Tanh()]
    network = torch.nn.Sequential(*modules[:-1])

    def eager(row: np.ndarray) -> int:
        with torch.no_grad():
            x = ((torch.from_numpy(row) - mean) / deviation).clamp(-CLIP, CLIP)
            return int(network(x).argmax(-1))

    normal = [np.asarray(norm(row)) for row in arrays]
    return {"torch, eager": (eager, arrays)} | sb3_calls(dense, [row[0] for row in normal])


def sb3_calls(dense: list[Dense], rows: list[np.ndarray]) -> dict[str, Call]:
    """Return ``predict`` of Stable-Baselines3 with the weights of the network."""
    try:
        import gymnasium
        from stable_baselines3 import PPO
    except ImportError:
        print("stable-baselines3 is not installed: left out")
        return {}

    class Empty(gymnasium.Env):
        """An environment of the right spaces; it is never played."""

        observation_space = gymnasium.spaces.Box(-CLIP, CLIP, rows[0].shape, np.float32)
        action_space = gymnasium.spaces.Discrete(dense[-1].bias.shape[0])

    widths = [layer.bias.shape[0] for layer in dense[:-1]]
    model = PPO("MlpPolicy", Empty(), policy_kwargs={"net_arch": widths}, device="cpu")
    actor = [*model.policy.mlp_extractor.policy_net, model.policy.action_net]
    for linear, layer in zip([m for m in actor if hasattr(m, "weight")], dense, strict=True):
        copy_weights(linear, layer)
    return {SB3: (lambda row: int(model.predict(row, deterministic=True)[0]), rows)}


def copy_weights(linear: Any, layer: Dense) -> None:
    """Put our weights ``[in, out]`` into a linear layer of torch."""
    import torch

    with torch.no_grad():
        linear.weight.copy_(torch.tensor(np.asarray(layer.weight).T))
        linear.bias.copy_(torch.tensor(np.asarray(layer.bias)))


def measure(compared: dict[str, Call], rounds: int, count: int) -> dict[str, list[float]]:
    """Return microseconds of single calls by name; the order turns with the round."""
    spent: dict[str, list[float]] = {name: [] for name in compared}
    names = [*compared]
    clock = time.perf_counter_ns
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            decide, inputs = compared[name]
            for one in itertools.islice(itertools.cycle(inputs), count):
                began = clock()
                decide(one)
                spent[name].append((clock() - began) / 1e3)
    return spent


def parts(bundle: Bundle, inputs: list[Any], repeats: int = 100) -> dict[str, float]:
    """Return where ``Bundle.decide`` spends its time, in microseconds at the median."""
    engine, encode = bundle.engine, bundle.interface.encode
    rows = [encode(one)[0] for one in inputs]
    steps: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
        "nothing": (lambda one: None, inputs),
        "fields to a row": (encode, inputs),
        "the engine": (engine.one, rows),
        "all": (bundle.decide, inputs),
    }
    spent = measure(steps, repeats, len(inputs))
    return {name: quantiles(values, 2)["p50"] for name, values in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bundle", help="a bundle of a 64x64 policy; trained for a moment if not")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=250, help="calls in a row, for each round")
    parser.add_argument("--observations", type=int, default=400)
    given = parser.parse_args()
    with bundle_file(given.bundle) as file:
        bundle = load(file)
    compared = calls(bundle, given.observations)
    chosen = {name: [decide(one) for one in inputs] for name, (decide, inputs) in compared.items()}
    equal = {n: float(np.mean(np.equal(a, chosen[DECIDE]))) for n, a in chosen.items()}
    measure(compared, 2, given.calls)  # to warm up
    spent = measure(compared, given.rounds, given.calls)
    found = {
        name: {**quantiles(values, 2), "equal_actions": equal[name]}
        for name, values in spent.items()
    }
    p50 = {name: facts["p50"] for name, facts in found.items()}
    ratios = {
        f"{other} / {mine}": round(p50[other] / p50[mine], 1)
        for other in (SB3, JAX)
        if other in p50
        for mine in p50
        if mine.startswith((DECIDE, READY))
    }
    best = min(p50[name] for name in p50 if name.startswith(DECIDE))
    ratio = p50.get(SB3, np.nan) / best
    facts = {
        "widths": [layer["bias"] for layer in described(bundle) if layer["kind"] == "dense"],
        "different_actions": len(set(chosen[DECIDE])),
        "us": found,
        "ratios": ratios,
        "parts_us": parts(bundle, compared[DECIDE][1]),
        "goal": {
            f"p50 below {GOAL_US} us": best < GOAL_US,
            f"{GOAL_RATIO} times as fast as {SB3}": bool(ratio >= GOAL_RATIO),
        },
    }
    print(json.dumps(facts))
    print(
        table(
            [
                {"one decision": name, **row, "/ decide": round(row["p50"] / p50[DECIDE], 2)}
                for name, row in found.items()
            ]
        )
    )


def described(bundle: Bundle) -> list[dict[str, Any]]:
    return bundle.facts["graphs"]["policy"]["layers"]


if __name__ == "__main__":
    main()
