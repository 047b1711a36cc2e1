"""Our worlds behind Gymnasium: its own checkers, equality with ``unroll``, seeds, ids."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

import edgewright.adapters.gymnasium as adapter
from edgewright.adapters import registration
from edgewright.adapters.drawing import ROWS
from edgewright.adapters.steppers import NUMBERS, Backend
from edgewright.core.errors import InputError
from edgewright.core.records import Array, Decision, record
from edgewright.loops.unroll import init_rollout, next_rows, unroll
from edgewright.scenarios.build import Problem, build
from edgewright.scenarios.load import load, shipped
from edgewright.systems.probes import ProbeWorld, probe

SHORT = {"params.horizon_slots": 40, "params.load_limit_gcycles": 40.0}
"""Short episodes, some of which end in an overload."""

COPIES, STEPS = 4, 200


@pytest.fixture(scope="module")
def problem() -> Problem:
    return build(load("aigc-heavy", SHORT))


@record
class ByEye:
    """A rule that depends on everything it sees, so that any difference shows."""

    def init_carry(self, key: Array) -> tuple[()]:
        return ()

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        return carry, Decision(action=by_eye(observation), aux=())


def by_eye(observation: Any) -> Any:
    return ((observation.sum(axis=-1) * 0.07) % 9.0).astype("int32")


OPEN = {
    "low": "A Box observation space minimum value is -infinity. This is probably too low.",
    "high": "A Box observation space maximum value is infinity. This is probably too high.",
}
"""What the checker says of bounds that a world does not give."""


def run_checker(
    env: gymnasium.Env,
    capsys: pytest.CaptureFixture[str],
    open_ends: tuple[str, ...] = ("low", "high"),
    **options: Any,
) -> None:
    """Run Gymnasium's checker and show in the test log what it said; a warning is an error.

    But for bounds that the world leaves open, which must be said and are no fault.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env, **options)
    said = [str(one.message) for one in caught]
    assert len(said) == len(open_ends)
    assert all(OPEN[end] in text for end, text in zip(open_ends, said, strict=True)), said
    name = env.spec.id if env.spec else type(env).__name__
    with capsys.disabled():
        print(f"\ngymnasium {gymnasium.__version__} check_env({name}, {options}): no complaint")


@pytest.mark.parametrize("options", [{}, {"skip_render_check": True}], ids=["all", "no render"])
def test_gymnasiums_checker(options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    env = gymnasium.make("Edgewright/aigc-heavy-v0", overrides=SHORT)
    run_checker(env.unwrapped, capsys, **options)


def test_gymnasiums_checker_on_menus(capsys: pytest.CaptureFixture[str]) -> None:
    env = gymnasium.make("Edgewright/contract-d3-v0")
    run_checker(env.unwrapped, capsys, ("high",), skip_render_check=True)


def test_gymnasiums_checker_refuses_what_is_wrong(problem: Problem) -> None:
    """The check above can fail: with infinite bounds the checker warns, and that is an error."""
    env = adapter.WorldEnv(problem.world, problem.params, problem.train_stream)
    env.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, env.observation_space.shape)
    with pytest.raises(UserWarning, match="infinity"):
        check_env(env, skip_render_check=True)


def test_bounds_are_those_that_the_world_gives_or_infinite() -> None:
    """With float32's largest number in their place a rescaled observation was zero everywhere."""
    env = gymnasium.make("Edgewright/aigc-heavy-v0", overrides=SHORT)
    space = env.observation_space
    assert isinstance(space, gymnasium.spaces.Box)
    assert space.high.tolist()[:7] == [np.inf, np.inf, 1.0, 1.0, 1.0, 100.0, np.inf]
    assert space.low.tolist()[:7] == [0.0, 0.0, 0.0, 0.0, 0.0, -np.inf, 0.0]
    with pytest.raises(ValueError, match="unbounded components"):
        gymnasium.wrappers.RescaleObservation(env, -1.0, 1.0)


def test_an_observation_is_rescaled_where_its_bounds_are_known() -> None:
    env = gymnasium.make("Edgewright/aigc-heavy-v0", overrides=SHORT)
    space = env.observation_space
    assert isinstance(space, gymnasium.spaces.Box)
    low = np.where(np.isfinite(space.low), -1, space.low).astype(np.float32)
    high = np.where(np.isfinite(space.high), 1, space.high).astype(np.float32)
    rescaled = gymnasium.wrappers.RescaleObservation(env, low, high)
    plain, seen = env.reset(seed=0)[0], rescaled.reset(seed=0)[0]
    wanted = plain - 1  # from 0 up becomes from -1 up
    wanted[[2, 3, 4, 8]] = 2 * plain[[2, 3, 4, 8]] - 1  # mode and phase, from 0 to 1
    wanted[5] = plain[5] - 99  # the charge, up to 100
    np.testing.assert_allclose(seen, wanted, rtol=1e-6)


def test_the_entry_point_of_the_package_registers_without_jax() -> None:
    tree = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    module, name = tree["project"]["entry-points"]["gymnasium.envs"]["Edgewright"].split(":")
    code = (
        f"import sys, gymnasium, {module} as light; light.{name}()\n"
        "assert 'Edgewright/aigc-heavy-v0' in gymnasium.registry\n"
        "assert 'jax' not in sys.modules and 'pydantic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def drawn_inputs(problem: Problem, numbers: list[int], steps: int) -> Any:
    """Return the inputs ``[steps + 1, N, ...]`` that copies with these numbers get, by hand."""
    stream = problem.train_stream
    keys = jax.vmap(jax.random.key)(np.asarray(numbers, np.uint32))
    carry = jax.vmap(stream.init_carry)(keys)
    blocks = []
    for _ in range(-(-(steps + 1) // ROWS)):
        carry, rows = next_rows(stream, carry, ROWS)
        blocks.append(rows)
    joined = jax.tree.map(lambda *leaves: np.concatenate(leaves)[: steps + 1], *blocks)
    return joined


@pytest.mark.parametrize("backend", ["host", "compiled"])
def test_a_vector_environment_plays_what_unroll_plays(problem: Problem, backend: Backend) -> None:
    seeds = [11, 12, 13, 14]
    numbers = [int(gymnasium.utils.seeding.np_random(seed)[0].integers(NUMBERS)) for seed in seeds]
    inputs = drawn_inputs(problem, numbers, STEPS)
    first, following = (jax.tree.map(lambda a, s=s: a[s], inputs) for s in (0, slice(1, None)))
    key = jax.random.key(0)
    games = init_rollout(key, problem.world, problem.params, ByEye(), first)
    _, wanted = jax.jit(unroll, static_argnums=1)(
        key, problem.world, problem.params, ByEye(), games, following
    )

    parts = problem.world, problem.params, problem.train_stream
    envs = adapter.WorldVectorEnv(*parts, COPIES, backend)
    seen, _ = envs.reset(seed=11)
    # Float32 rounds a sum of 100 G-cycles to 8e-6, and a compiler may round twice or once.
    close = {"rtol": 1e-6, "atol": 1e-7 if backend == "compiled" else 5e-5}
    ended = 0
    for step in range(STEPS):
        np.testing.assert_allclose(seen, wanted.observation[step, :, 0], **close)
        action = np.asarray(wanted.action[step, :, 0])
        seen, reward, terminated, truncated, info = envs.step(action)
        np.testing.assert_allclose(reward, wanted.reward[step, :, 0], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(terminated, wanted.terminated[step])
        np.testing.assert_array_equal(truncated, wanted.truncated[step])
        done = terminated | truncated
        for copy in range(COPIES):
            values = info["final_info"] if done[copy] else info
            final = info["final_obs"][copy] if done[copy] else seen[copy]
            np.testing.assert_allclose(final, wanted.next_observation[step, copy, 0], **close)
            for field in dataclasses.fields(wanted.metrics):
                assert values[f"_{field.name}"][copy]
                np.testing.assert_allclose(
                    values[field.name][copy],
                    getattr(wanted.metrics, field.name)[step, copy, 0],
                    rtol=1e-5,
                    atol=max(1e-6, close["atol"]),
                )
        ended += int(done.sum())
    assert wanted.terminated.any(), "no episode ended badly: the test does not see it"
    assert wanted.truncated.any(), "no episode was cut: the test does not see it"
    assert ended > COPIES


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "statistics"])
def test_vector_and_single_environments_are_equal(wrapped: bool) -> None:
    """Ours behind one compiled step against Gymnasium's own loop over single environments."""
    ours = gymnasium.make_vec("Edgewright/aigc-heavy-v0", num_envs=COPIES, overrides=SHORT)
    theirs = gymnasium.make_vec(
        "Edgewright/aigc-heavy-v0",
        num_envs=COPIES,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
        overrides=SHORT,
    )
    assert ours.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    pair: list[Any] = [ours, theirs]
    if wrapped:
        pair = [RecordEpisodeStatistics(envs) for envs in pair]
    starts = [envs.reset(seed=5)[0] for envs in pair]
    np.testing.assert_array_equal(*starts)
    ours.action_space.seed(1)
    ended = 0
    for _ in range(STEPS):
        action = ours.action_space.sample()
        one, other = (envs.step(action) for envs in pair)
        for mine, their in zip(one[:4], other[:4], strict=True):
            np.testing.assert_allclose(mine, their, rtol=1e-6, atol=1e-7)
        same_infos(one[4], other[4])
        ended += int(np.sum(one[2] | one[3]))
    assert ended > COPIES
    assert ours.observation_space.contains(one[0])
    for envs in pair:
        envs.close()


def same_infos(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, dict):
            if name != "episode":  # holds the wall clock
                same_infos(value, other[name])
        elif value.dtype == object:
            for mine, their in zip(value, other[name], strict=True):
                assert (mine is None) == (their is None)
                if mine is not None:
                    np.testing.assert_allclose(mine, their, rtol=1e-6, atol=1e-7)
        else:
            assert value.dtype == other[name].dtype, name
            np.testing.assert_allclose(value, other[name], rtol=1e-6, atol=1e-7, err_msg=name)


def episode(env: gymnasium.Env, steps: int) -> list[Any]:
    env.action_space.seed(0)
    rows = []
    for _ in range(steps):
        seen, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        rows.append((*seen.tolist(), reward))
        if terminated or truncated:
            env.reset()
    return rows


def test_seeds_reproduce_and_differ(problem: Problem) -> None:
    env = adapter.WorldEnv(problem.world, problem.params, problem.train_stream)
    runs = []
    for seed in (3, 3, 4):
        start, _ = env.reset(seed=seed)
        runs.append([start.tolist(), *episode(env, 60)])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    two = [adapter.WorldEnv(problem.world, problem.params, problem.train_stream) for _ in range(2)]
    assert not np.array_equal(two[0].reset()[0], two[1].reset()[0])  # unseeded: the system's chance


def test_a_reset_without_a_step_is_another_episode(problem: Problem) -> None:
    env = adapter.WorldEnv(problem.world, problem.params, problem.train_stream)
    first, _ = env.reset(seed=0)
    second, _ = env.reset()
    assert not np.array_equal(first, second)
    env.step(0)
    third, _ = env.reset()
    assert third[7] == 0.0  # an empty queue
    assert third[8] == 0.0  # the first slot


def test_an_end_and_a_cut_are_told_apart(problem: Problem) -> None:
    """Always the fastest server at the best quality overloads it; the device alone does not."""
    env = adapter.make("aigc-heavy", overrides={"params.horizon_slots": 500})
    env.reset(seed=0)
    for _ in range(500):
        _, reward, terminated, truncated, info = env.step(8)
        if terminated or truncated:
            break
    assert (terminated, truncated) == (True, False)
    assert reward == pytest.approx(float(info["reward"]) - 20.0, abs=1e-4)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset()
    short = adapter.make("aigc-heavy", overrides=SHORT)
    short.reset(seed=0)
    ends = [short.step(0)[2:4] for _ in range(40)]
    assert ends == [(False, False)] * 39 + [(False, True)]


def test_actions_and_sizes_that_are_wrong_are_refused(problem: Problem) -> None:
    env = adapter.make("aigc-heavy", overrides=SHORT)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    for action in (9, -1, 0.5):
        with pytest.raises(InputError, match="action must be in"):
            env.step(action)
    envs = adapter.make_vec("aigc-heavy", 2, overrides=SHORT)
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.step(np.zeros(2, int))
    with pytest.raises(InputError, match="3 seeds for 2 copies"):
        envs.reset(seed=[1, 2, 3])
    with pytest.raises(InputError, match="0 copies"):
        adapter.make_vec("aigc-heavy", 0)
    with pytest.raises(InputError, match=r"edgewright\.adapters\.pettingzoo"):
        adapter.make("aigc-heavy", overrides={"world.devices": 2})
    with pytest.raises(InputError, match="did you mean 'slot_s'"):
        adapter.make("aigc-heavy", overrides={"params.slot_z": 2})


def test_what_gymnasium_passes_along_is_taken_or_refused_by_name() -> None:
    env = gymnasium.make("Edgewright/aigc-heavy-v0", render_mode=None)
    plain, _ = env.reset(seed=3)
    for seed in (np.int64(3), np.uint8(3)):
        np.testing.assert_array_equal(env.reset(seed=int(seed))[0], plain)
        np.testing.assert_array_equal(adapter.make("aigc-heavy").reset(seed=seed)[0], plain)
    envs = adapter.make_vec("aigc-heavy", 2)
    np.testing.assert_array_equal(envs.reset(seed=np.int64(3))[0][0], plain)
    np.testing.assert_array_equal(envs.reset(seed=np.array([5, 3]))[0][1], plain)
    for one in (adapter.make("aigc-heavy"), envs):
        one.reset(seed=0, options={})
        with pytest.raises(InputError, match="options must be empty; got 'reset_mask'"):
            one.reset(options={"reset_mask": np.array([True, False])})
    for make in (adapter.make, adapter.make_vec):
        with pytest.raises(InputError, match="render_mode must be None; got 'human'"):
            make("aigc-heavy", render_mode="human")


def test_every_scenario_of_one_decision_maker_has_an_id_and_no_other() -> None:
    ids = {
        registration.identifier(name)
        for name in shipped()
        if getattr(load(name).world, "devices", 1) == 1
    }
    assert len(ids) > 3
    assert ids == {name for name in gymnasium.registry if name.startswith("Edgewright/")}
    registration.register()  # again: nothing happens


def test_a_world_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Any world will do, one without an axis of devices too."""
    world = ProbeWorld()
    params = probe("match")
    env = adapter.WorldEnv(world, params, world.inputs(params))
    run_checker(env, capsys, ("high",), skip_render_check=True)
    seen, _ = env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step(int(seen[0] > 0))
    assert reward == 1.0
    assert terminated or truncated
    assert info["matched"] == 1.0


@pytest.mark.parametrize(("backend", "compiled"), [("host", "columns"), ("compiled", "advance")])
def test_nothing_compiles_again_for_another_seed_or_number(
    backend: Backend, compiled: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = adapter.make_vec("aigc-heavy", COPIES, overrides=SHORT, backend=backend)
    first.reset(seed=0)
    first.step(np.zeros(COPIES, int))
    other = SHORT | {"params.kappa": 2e-27}
    envs = adapter.make_vec("aigc-heavy", COPIES, overrides=other, backend=backend)
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        envs.reset(seed=1)
        for _ in range(ROWS + 2):
            envs.step(np.zeros(COPIES, int))
    assert not [entry for entry in caplog.messages if "ompiling" in entry and compiled in entry]
