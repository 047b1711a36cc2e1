"""Shared by all tests: the hypothesis profiles and builders of the AIGC world's records.

Builders are session fixtures that return functions, so that property tests may use them too.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import settings

from edgewright.core.compilation import keep_compilations
from edgewright.systems.aigc import AigcInputs, AigcParams, AigcState
from edgewright.systems.plugins import INHERITED

CACHE = "EDGEWRIGHT_CACHE"
KEPT = "EDGEWRIGHT_TEST_CACHE"
"""A folder of compilations that outlives a run of the tests, while somebody works on them."""
QUICKEST = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
"""Tests compile far more than they compute. Measured in tests/baselines: level 0 takes a fifth less
time than level 1, and a fifth less again without the emitters of fusions."""

settings.register_profile("dev", deadline=None, max_examples=25)
settings.register_profile("ci", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_configure(config: pytest.Config) -> None:
    """Let all workers and commands of this run share what they compile, and nothing older."""
    if not hasattr(config, "workerinput"):
        os.environ[CACHE] = os.environ.get(KEPT) or tempfile.mkdtemp(prefix="edgewright-tests-")
    os.environ.setdefault("XLA_FLAGS", QUICKEST)
    keep_compilations()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Throw away what was compiled."""
    if not hasattr(config, "workerinput"):
        folder = os.environ.pop(CACHE)
        if folder != os.environ.get(KEPT):
            shutil.rmtree(folder, ignore_errors=True)


MAX_MAPS = 20_000
"""Memory maps of a test process after which compiled programs are dropped. Each has a few, a full
run has tens of thousands, and Linux ends a process at 65,530 (``vm.max_map_count``)."""


@pytest.fixture(autouse=True, scope="module")
def _few_maps() -> Iterator[None]:
    """Drop compiled programs after a module that left too many memory maps."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_text().count("\n") > MAX_MAPS:
        jax.clear_caches()
        gc.collect()


HEAVY: dict[str, Any] = {
    "slot_s": 0.5,
    "horizon_slots": 500.0,
    "device_ghz": 2.0,
    "server_ghz": [16.0, 16.0],
    "kappa": 1e-27,
    "edge_j_per_gcycle": 2.0,
    "transmit_w": 2.0,
    "receive_w": 0.5,
    "idle_w": 0.0,
    "battery_j": 1e4,
    "charge_floor_pct": 10.0,
    "network_delay_s": 0.01,
    "output_mb": 1.0,
    "load_limit_gcycles": 160.0,
    "background_cap": 0.8,
    "background_utilisation": [0.5, 0.7],
    "quality_multiplier": [0.5, 1.0, 2.0],
    "quality_score": [0.50, 0.77, 1.00],
    "mode_weights": [[0.2, 0.6, 0.2], [0.4, 0.3, 0.3], [0.7, 0.15, 0.15]],
    "shift_fraction": 0.7,
    "low_charge_pct": 50.0,
    "low_charge_span_pct": 40.0,
    "load_threshold": 0.5,
    "load_span": 0.4,
    "delay_norm_s": 10.0,
    "energy_norm_j": 40.0,
    "reward_scale": 1.0,
    "terminal_reward": -20.0,
    "rejected_reward": -1.0,
}
"""The `heavy` preset: sections 3 and 5 of the specification of the AIGC world."""

MEAN_TASK: dict[str, Any] = {
    "input_mb": 17.5,
    "work_gcycles": 5.5,
    "mode": 1,
    "bandwidth_mbps": 100.0,
    "background_gcps": 0.0,
    "initial_charge_pct": 100.0,
    "gap_s": 0.5,
}
"""The mean task of section 4, alone in the system."""


@pytest.fixture(scope="session")
def recordings() -> Path | None:
    """Return the folder of recordings: EDGEWRIGHT_DATA, else the one beside the project, if any."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("EDGEWRIGHT_DATA") or beside)
    return folder if (folder / "bandwidth").is_dir() else None


@pytest.fixture
def data(recordings: Path | None) -> Path:
    """Return the folder of recordings, or skip: files made by the tests cover the same readers."""
    if recordings is None:
        pytest.skip("no recordings: set EDGEWRIGHT_DATA to their folder")
    return recordings


@dataclass(frozen=True)
class Said:
    """What a command wrote."""

    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def edgewright() -> Callable[..., Said]:
    """Return what runs the command line in this process, where much is compiled already.

    A process of its own would import and compile everything again; some tests still start one.
    """
    from edgewright.cli.main import main

    def run(*arguments: Any, cwd: Path | None = None, code: int = 0) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["edgewright", *map(str, arguments)])
            patch.delenv("EDGEWRIGHT_DATA", raising=False)
            patch.setenv(INHERITED, "")  # plug-ins of one command are not those of the next
            if cwd is not None:
                patch.chdir(cwd)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    main()
                    left = 0
                except SystemExit as stop:
                    left = stop.code or 0
        assert left == code, err.getvalue()[-2000:]
        return Said(out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def aigc_numbers() -> Callable[..., dict[str, Any]]:
    """Return a builder of the `heavy` numbers as plain Python, with overrides by name."""

    def numbers(**overrides: Any) -> dict[str, Any]:
        unknown = set(overrides) - set(HEAVY)
        assert not unknown, f"no such numbers: {unknown}"
        return {**HEAVY, **overrides}

    return numbers


@pytest.fixture(scope="session")
def aigc_params(aigc_numbers: Callable[..., dict[str, Any]]) -> Callable[..., AigcParams]:
    """Return a builder of :class:`AigcParams` from plain numbers, with overrides by name."""

    def build(**overrides: Any) -> AigcParams:
        numbers = aigc_numbers(**overrides)
        return AigcParams(**{name: jnp.asarray(v, jnp.float32) for name, v in numbers.items()})

    return build


@pytest.fixture(scope="session")
def aigc_inputs() -> Callable[..., AigcInputs]:
    """Return a builder of one row of inputs; scalars are repeated for devices and servers."""

    def build(devices: int = 1, servers: int = 2, **overrides: Any) -> AigcInputs:
        given = {**MEAN_TASK, **overrides}
        fields = {}
        for name, value in given.items():
            shape = {"background_gcps": (servers,), "gap_s": ()}.get(name, (devices,))
            dtype = np.int32 if name == "mode" else np.float32
            fields[name] = jnp.asarray(np.broadcast_to(np.asarray(value, dtype), shape))
        return AigcInputs(**fields)

    return build


@pytest.fixture(scope="session")
def aigc_state() -> Callable[..., AigcState]:
    """Return a builder of a state; scalars are repeated for devices and servers."""

    def build(
        devices: int = 1, servers: int = 2, *, charge: Any = 100.0, local: Any = 0.0,
        server: Any = 0.0, local_idle: Any = 0.0, server_idle: Any = 0.0, slot: int = 0,
    ) -> AigcState:  # fmt: skip
        def full(value: Any, count: int) -> Any:
            return jnp.asarray(np.broadcast_to(np.asarray(value, np.float32), (count,)))

        return AigcState(
            charge_pct=full(charge, devices),
            local_backlog_gcycles=full(local, devices),
            server_backlog_gcycles=full(server, servers),
            local_idle_slots=full(local_idle, devices),
            server_idle_slots=full(server_idle, servers),
            slot=jnp.asarray(slot, jnp.int32),
        )

    return build


@pytest.fixture(scope="session")
def aigc_rows() -> Callable[..., AigcInputs]:
    """Return a generator of ``steps`` random rows ``[steps, ...]``, drawn by NumPy."""

    def build(
        rng: np.random.Generator, steps: int, devices: int = 1, servers: int = 2,
        *, load_gcps: float = 10.0, gap_s: Any = 0.5, charge: tuple[float, float] = (12.0, 100.0),
    ) -> AigcInputs:  # fmt: skip
        each, every = (steps, devices), (steps, servers)
        busy = rng.random(every) < 0.6
        rows = {
            "input_mb": rng.uniform(10, 25, each),
            "work_gcycles": rng.uniform(3, 8, each),
            "bandwidth_mbps": rng.uniform(50, 150, each),
            "background_gcps": busy * rng.exponential(load_gcps / 0.6, every),
            "initial_charge_pct": rng.uniform(*charge, each),
            "gap_s": np.broadcast_to(gap_s, (steps,)),
        }
        mode = jnp.asarray(rng.integers(0, 3, each), jnp.int32)
        fields = {name: jnp.asarray(value, jnp.float32) for name, value in rows.items()}
        return AigcInputs(mode=mode, **fields)

    return build


@pytest.fixture(scope="session")
def binary_sampler() -> Callable[..., Any]:
    """Return a builder of the law of binary scenarios; ``hard`` has shadowing and 40 MHz."""
    from edgewright.systems.binary import BinarySampler

    def build(devices: int = 5, *, hard: bool = True, **overrides: Any) -> BinarySampler:
        numbers: dict[str, Any] = {
            "weights": [1.0, 1.5],
            "input_mbit": [1.0, 8.0],
            "output_share": 0.1,
            "cycles_per_bit": [165.0, 165.0],
            "radius_m": 200.0,
            "nearest_m": 10.0,
            "obstructed_share": 1.0 if hard else 0.0,
            "shadowing_db": 8.0 if hard else 0.0,
            "bandwidth_mhz": [40.0] if hard else [10.0],
            "edge_ghz": [100.0],
            "device_ghz": 2.84,
            "transmit_dbm": 23.0,
            "noise_dbm_hz": -165.0,
            "kappa": 1e-27,
            "gain_log10_mean": -11.5 if hard else -9.0,
            "gain_log10_std": 1.2 if hard else 0.7,
            "horizon_slots": 50.0,
        } | overrides
        fewest = int(numbers.pop("fewest_devices", devices))
        arrays = {name: jnp.asarray(value, jnp.float32) for name, value in numbers.items()}
        return BinarySampler(devices=devices, fewest_devices=fewest, **arrays)

    return build


@pytest.fixture(scope="session")
def deployable() -> dict[str, Any]:
    """Return what bundles are made from: a scenario, its physics, policies by name, an interface.

    The policies have random weights and the ranges are made up, so nothing is compiled for long.
    """
    import dataclasses

    import jax

    from edgewright.deploy.export_run import head_in
    from edgewright.export.observation import interface_of
    from edgewright.scenarios.build import build, build_learner
    from edgewright.scenarios.load import load
    from edgewright.scenarios.policies import baseline

    scenario = load("aigc-heavy", {"evaluation.episodes": 8, "params.horizon_slots": 40})
    problem = build(scenario)
    hidden = {"se-ppo": [16, 16], "a2c": [16], "dqn": [24, 16], "dqn-plain": [8]}
    policies: dict[str, Any] = {}
    space = problem.world.observation_space(problem.params)
    for number, (name, widths) in enumerate(hidden.items()):
        settings = dataclasses.replace(scenario, learner={"hidden_sizes": widths})
        learner: Any = build_learner(name, settings, problem, 1e3).learner
        actions = problem.world.action_space(problem.params)
        state = learner.init(jax.random.key(number), space, actions)
        rows = jax.random.uniform(jax.random.key(number), (64, 11)) * state.inputs.scale
        state = dataclasses.replace(state, inputs=state.inputs.merged(rows))
        if hasattr(state, "networks"):  # scores of a fresh actor are all nearly zero
            actor = jax.tree.map(lambda leaf: 3.0 * leaf + 0.01, state.networks[0])
            last = 30.0 * actor.weights[-1]
            actor = dataclasses.replace(actor, weights=(*actor.weights[:-1], last))
            state = dataclasses.replace(state, networks=(actor, state.networks[1]))
        policies[name] = learner.policy(state, explore=False)
    rules = {n: baseline(n, problem).policy for n in ("greedy", "shortest-2", "local-0")}
    low = np.array([10, 3, 0, 0, 0, 10, 50, 0, 0, 0, 0], np.float32)
    high = np.array([25, 8, 1, 1, 1, 100, 150, 40, 1, 160, 160], np.float32)
    interface = interface_of(space, head_in(problem), np.stack([low, high]))
    return {
        "scenario": scenario,
        "built": problem,
        "interface": interface,
        "learned": policies,
        "rules": rules,
    }


@pytest.fixture(scope="session")
def two_levels() -> Any:
    """Return what makes a small caching problem and a policy of two levels with random weights."""
    import dataclasses

    import jax

    from edgewright.scenarios.build import build, build_learner
    from edgewright.scenarios.load import load

    def spread(policy: Any, seed: int) -> Any:
        rng = np.random.default_rng(seed)
        actor = jax.tree.map(lambda leaf: leaf + 0.5 * rng.normal(size=leaf.shape), policy.actor)
        return dataclasses.replace(policy, actor=actor)  # scores of a fresh actor are nearly zero

    def make(learner: str, association: str = "logits") -> tuple[Any, Any]:
        settings: dict[str, Any] = {
            "world.servers": 3,
            "world.users": 3,
            "world.shares": "action",
            "params.server_ghz": 2.0,
            "params.bandwidth_mhz": 2.0,
            "params.cache_gib": 6.0,
            "learner.upper.hidden_sizes": [8],
            "learner.lower.hidden_sizes": [16, 16],
            "learner.association": association,
        }
        scenario = load("caching-toy", settings)
        problem = build(scenario)
        plan: Any = build_learner(learner, scenario, problem, 1000)
        spaces = (
            plan.world.observation_space(problem.params),
            plan.world.action_space(problem.params),
        )
        state = plan.learner.init(jax.random.key(0), *spaces)
        policy = plan.learner.policy(state, explore=False)
        upper, lower = spread(policy.upper, 0), spread(policy.lower, 1)
        return problem, dataclasses.replace(policy, upper=upper, lower=lower)

    return make


class _Bundles(dict[str, Any]):
    """Exports a policy when its file is asked for."""

    def __init__(self, deployable: dict[str, Any], folder: Any) -> None:
        super().__init__()
        self.deployable, self.folder = deployable, folder

    def __missing__(self, name: str) -> Any:
        from edgewright.deploy.export_run import export_policy
        from edgewright.scenarios.load import resolved

        made = self.deployable
        learned = name in made["learned"]
        facts = {
            "name": name,
            "kind": "learned" if learned else "rule",
            "scenario": resolved(made["scenario"]),
            "provenance": {"learner": name, "steps": 1e3} if learned else {},
            "scores": {},
            "lineage": [],
        }
        policy = made["learned" if learned else "rules"][name]
        self[name] = self.folder / f"{name}.edge"
        beside = None if name == "se-ppo" else ()
        export_policy(self[name], policy, made["built"], made["interface"], facts, beside)
        return self[name]


@pytest.fixture(scope="session")
def bundles(deployable: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the files of the deployable policies by name."""
    return _Bundles(deployable, tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def observation() -> dict[str, Any]:
    """Return an observation in the trained range of the bundles."""
    return {
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


@pytest.fixture(scope="session")
def listening() -> Callable[[subprocess.Popen[bytes], Path], str]:
    """Return what waits for a service to say, in the file of its stderr, where it listens."""

    def wait(process: subprocess.Popen[bytes], said: Path) -> str:
        for _ in range(2400):
            if match := re.search(r"http://[\d.]+:\d+(?=\D)", said.read_text()):
                return match[0]
            assert process.poll() is None, said.read_text()
            time.sleep(0.05)
        raise AssertionError(f"it does not listen: {said.read_text()}")

    return wait
