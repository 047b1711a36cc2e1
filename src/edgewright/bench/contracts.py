"""Measure how fast contracts are learned and written, beside PyTorch and a convex solver."""

from __future__ import annotations

import dataclasses
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.agents.sac import SAC
from edgewright.core.machine import cores, machine_facts
from edgewright.export.drawing import deployed
from edgewright.loops.online import advance, init_training
from edgewright.loops.repeat import compile_rounds
from edgewright.loops.unroll import next_rows
from edgewright.nets.actions import from_units
from edgewright.nets.diffusion import DiffusionActor
from edgewright.rules.scaling import InputScaler
from edgewright.scenarios.build import build, build_learner
from edgewright.scenarios.load import load
from edgewright.systems.contract.baselines import exact, float64
from edgewright.systems.contract.baselines.interior_point import best_menus
from edgewright.systems.contract.markets import market_rows
from edgewright.systems.contract.system import play
from edgewright.systems.problem import Problem
from edgewright.systems.system import PolicyEntry
from edgewright.training.runs import evaluation_inputs
from edgewright.training.seed import CHUNK

STAGES = 4

PEER_ROUNDS, WARM_ROUNDS = 6400, 1280
"""Rounds of the training in PyTorch that is timed, and of one before it."""

SOLVED = 20
"""Markets that the solvers are timed on."""

BATCHES = (1, 256)

WRITING_S = 0.2
"""Seconds of one measurement of writing."""


def bench(on_progress: Callable[[str], None], rounds: int) -> dict[str, Any]:
    """Measure training and writing of contracts, as figures and ratios of one run.

    Args:
        on_progress: called with what goes on, :data:`STAGES` times.
        rounds: of the EDMSAC training whose share of the optimum is reported.
    """
    result: dict[str, Any] = {"machine": machine_facts()}
    on_progress("DMSAC on raw contracts of D2, ours")
    scenario = load("contract-d2", {"world.actions": "raw"})
    raw = build(scenario)
    training = Timed(raw, build_learner("dmsac", scenario, raw, float(rounds)).learner)
    ours = round(training.rate())
    on_progress("the same in PyTorch")
    result["raw"] = {
        "compile_s": round(training.compile_s, 2),
        "ours_rounds_per_s": ours,
        **beside_torch(raw, training, ours),
    }
    on_progress(f"EDMSAC on markets with three types, {rounds} rounds")
    scenario = load("contract-k3")
    markets = build(scenario)
    result["structured"] = structured(markets, scenario, rounds)
    on_progress("solvers of the same markets")
    result["solver"] = solvers(markets, scenario)
    result["pays_after_contracts"] = pays_after(result)
    return result


class Timed:
    """One training, compiled, with the clock on its chunks."""

    def __init__(self, problem: Problem, learner: Any) -> None:
        self.learner = learner
        arguments = (problem.params, problem.train_stream, learner)
        began = time.perf_counter()
        self.training = init_training(jax.random.key(0), problem.world, *arguments)
        self._go = compile_rounds(advance, problem.world, arguments, self.training, CHUNK)
        self.compile_s = time.perf_counter() - began
        self.each = learner.num_envs * learner.rollout_steps

    def run(self, rounds: int) -> float:
        """Train for at least ``rounds`` rounds more; return the seconds."""
        began, left = time.perf_counter(), -(-rounds // self.each)
        while left > 0:
            count = min(CHUNK, left)
            self.training, _ = jax.block_until_ready(self._go(self.training, jnp.int32(count)))
            left -= count
        return time.perf_counter() - began

    def rate(self) -> float:
        """Return rounds per second, the median of five after learning has started."""
        self.run(int(self.learner.learning_starts) + self.each)
        rounds = CHUNK * self.each
        return float(np.median([rounds / self.run(rounds) for _ in range(5)]))

    def policy(self) -> Any:
        """Return the greedy policy with the smallest actor that decides the same."""
        policy: Any = self.learner.policy(self.training.learner, explore=False)
        return deployed(policy)


def one_market(problem: Problem) -> tuple[Any, np.ndarray]:
    """Return the market of one round, leaves ``[...]``, and its scaled observation ``[F]``."""
    carry, stream = jax.random.split(jax.random.key(0), 1), problem.train_stream
    _, rows = next_rows(stream, jax.vmap(stream.init_carry)(carry), 1)
    x = jax.tree.map(lambda leaf: leaf[0, 0], rows)
    world, params = problem.world, problem.params
    observation = world.observe(params, world.reset(params, x), x)
    return x, np.asarray(InputScaler.of(world.observation_space(params))(observation))


def market_numbers(problem: Problem) -> dict[str, Any]:
    """Return the numbers of the nominal market and of its reward, as NumPy arrays by name."""
    params = problem.params
    names = {
        "linear": "linear_effort",
        "quadratic": "quadratic_effort",
        **{
            name: name
            for name in (
                "theta", "prior", "transition", "sigma", "eta", "discount", "q_max", "payment_max",
                "violation_weight", "reward_floor", "reward_scale",
            )
        },
    }  # fmt: skip
    return {name: np.asarray(getattr(params, own)) for name, own in names.items()}


def settings_of(learner: SAC) -> dict[str, Any]:
    """Return the settings of a SAC as plain values by name."""
    fields = dataclasses.fields(learner)  # pyright: ignore[reportArgumentType]
    values = {field.name: getattr(learner, field.name) for field in fields}
    return {
        name: value.item() if isinstance(value, jax.Array) else value
        for name, value in values.items()
    }


def beside_torch(problem: Problem, training: Timed, ours: int) -> dict[str, Any]:
    """Return the rates of the transcription in PyTorch and the ratios to it; nothing without torch.

    Both sides write their contracts from the actor that ours has learned.
    """
    if not importlib.util.find_spec("torch"):
        return {"torch_rounds_per_s": None, "ratio_to_torch": None}
    from edgewright.bench.peers.contracts_torch import (
        TorchContracts,
        TorchSAC,
        contracts_per_s,
        train_rate,
    )
    from edgewright.bench.peers.diffusion_torch import layers, transcribed

    _, observation = one_market(problem)
    settings, world = settings_of(training.learner), TorchContracts(market_numbers(problem))
    state = training.learner.init(jax.random.key(1), *_spaces(problem))
    rates = {}
    for threads in sorted({1, cores()}):
        critics = [layers(one) for one in state.learned.critics]
        peer = TorchSAC(transcribed(state.learned.actor), critics, settings)
        train_rate(peer, world, observation, WARM_ROUNDS, threads)
        rates[threads] = train_rate(peer, world, observation, PEER_ROUNDS, threads)
    result: dict[str, Any] = {
        "torch_rounds_per_s": {f"{n}_threads": round(rate) for n, rate in rates.items()},
        "ratio_to_torch": round(ours / max(rates.values()), 1),
    }
    actor = training.policy().actor
    for batch in BATCHES:
        peer_rate = contracts_per_s(transcribed(actor), observation, batch)
        own_rate = writing_rate(actor, observation, batch)
        result[f"actions_batch_{batch}"] = {
            "ours_per_s": round(own_rate),
            "torch_per_s": round(peer_rate),
            "ratio": round(own_rate / peer_rate, 2),
        }
    return result


def _spaces(problem: Problem) -> tuple[Any, Any]:
    world, params = problem.world, problem.params
    return world.observation_space(params), world.action_space(params)


def writing_rate(
    actor: DiffusionActor, observation: np.ndarray, batch: int, finish: Any = None
) -> float:
    """Return actions per second of the compiled greedy actor, the median of five.

    Args:
        finish: from units ``[B, numbers]`` to the contracts; if None, units are what is written.
    """
    rng = np.random.default_rng(0)
    shape = (batch, actor.greedy_draws, int(np.prod(actor.space.shape)))
    noise = jnp.asarray(rng.normal(size=shape), jnp.float32)
    market = jnp.broadcast_to(jnp.asarray(observation), (batch, len(observation)))

    @jax.jit
    def write(market: jax.Array, noise: jax.Array) -> Any:
        units = actor.greedy(market, noise)
        return units if finish is None else finish(units)

    jax.block_until_ready(write(market, noise))
    rates = []
    for _ in range(5):
        began, calls = time.perf_counter(), 0
        while time.perf_counter() - began < WRITING_S:
            jax.block_until_ready(write(market, noise))
            calls += 1
        rates.append(calls * batch / (time.perf_counter() - began))
    return float(np.median(rates))


def structured(problem: Problem, scenario: Any, rounds: int) -> dict[str, Any]:
    """Train EDMSAC on markets with three types and return what its contracts are worth.

    ``optimum_ratio`` is the best-response profit over the exact optimum on the frozen test markets.
    """
    learner = build_learner("edmsac", scenario, problem, float(rounds)).learner
    training = Timed(problem, learner)
    seconds = training.run(rounds)
    policy = training.policy()
    entry = PolicyEntry.learned("edmsac", policy, problem.world)
    inputs = evaluation_inputs(scenario, problem)
    metrics, _ = play(entry, problem, inputs, 0, 0.0)
    x, observation = one_market(problem)
    world, params = problem.world, problem.params

    def finish(units: jax.Array) -> Any:
        return jax.vmap(lambda one: world.menu(params, x, one))(
            from_units(policy.actor.space, units)
        )

    rates = {
        f"contracts_per_s_batch_{batch}": round(
            writing_rate(policy.actor, observation, batch, finish)
        )
        for batch in BATCHES
    }
    return {
        "rounds": rounds,
        "compile_s": round(training.compile_s, 2),
        "training_s": round(seconds, 2),
        "optimum_ratio": round(float(np.mean(metrics["optimum_ratio"])), 4),
        "optimum_ratio_p05": round(float(metrics["optimum_ratio_p05"][0]), 4),
        **rates,
    }


def solvers(problem: Problem, scenario: Any) -> dict[str, Any]:
    """Return the milliseconds of a contract from cvxpy with Clarabel, and from ours in a batch."""
    _, market = market_rows(problem, evaluation_inputs(scenario, problem))
    regime = problem.world.participation
    some = float64.one(market, np.arange(SOLVED))
    best_menus(some, regime)
    began = time.perf_counter()
    best_menus(some, regime)
    result: dict[str, Any] = {"markets": SOLVED, "clarabel_ms": None}
    result["interior_point_ms"] = round(1e3 * (time.perf_counter() - began) / SOLVED, 3)
    if importlib.util.find_spec("cvxpy"):
        each = [float64.one(market, index) for index in range(SOLVED)]
        exact.solve(each[0], regime)
        began = time.perf_counter()
        for one in each:
            exact.solve(one, regime)
        result["clarabel_ms"] = round(1e3 * (time.perf_counter() - began) / SOLVED, 2)
    return result


def pays_after(result: dict[str, Any]) -> dict[str, float | None]:
    """Return after how many contracts training and writing take less time than each solver.

    None where a solver is as fast as the network, or was not measured.
    """
    own = result["structured"]
    write_ms = 1e3 / own["contracts_per_s_batch_256"]
    spent_ms = 1e3 * (own["compile_s"] + own["training_s"])
    after: dict[str, float | None] = {}
    for name in ("clarabel_ms", "interior_point_ms"):
        saved = (result["solver"][name] or 0.0) - write_ms
        after[name.removesuffix("_ms")] = round(spent_ms / saved) if saved > 0 else None
    return after


__all__ = [
    "STAGES",
    "Timed",
    "bench",
    "beside_torch",
    "market_numbers",
    "one_market",
    "pays_after",
    "settings_of",
    "solvers",
    "structured",
    "writing_rate",
]
