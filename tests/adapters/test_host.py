"""Worlds on the host: the same code, run by Python and NumPy, against JAX on the same inputs."""

from __future__ import annotations

import functools
import pickle
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import edgewright.adapters.gymnasium as adapter
from edgewright.adapters import steppers
from edgewright.adapters.drawing import DrawnRows
from edgewright.adapters.host import program
from edgewright.adapters.host.emit import emit
from edgewright.adapters.host.graph import Graph, Untranslatable
from edgewright.adapters.host.steppers import HostSingle, HostVector
from edgewright.adapters.host.translate import arguments, translate
from edgewright.adapters.results import LazyInfo
from edgewright.core.errors import InputError
from edgewright.loops.unroll import step_and_reset
from edgewright.scenarios.build import Problem, build
from edgewright.scenarios.load import load, shipped
from edgewright.systems.probes import ProbeWorld, probe

STEPS, COPIES = 160, 3

TOO_LARGE = {"aigc-city"}
"""Scenarios with more devices than are unrolled: 816."""


def presets() -> list[str]:
    return [name for name in shipped() if load(name).world.kind == "aigc"]


@functools.partial(jax.jit, static_argnums=0)
def played(world: Any, params: Any, inputs: Any, actions: Any) -> Any:
    """Return what JAX makes of the same inputs ``[T + 1, N, ...]`` and actions ``[T, N, ...]``."""

    def one(state: Any, row: Any) -> Any:
        x, x_next, action = row
        outcome, following = step_and_reset(world, params, state, action, x, x_next)
        shown = world.observe(params, following, x_next)
        ends = outcome.terminated, outcome.truncated
        return following, (shown, outcome.reward, *ends, outcome.metrics)

    first = jax.tree.map(lambda leaf: leaf[0], inputs)
    state = jax.vmap(lambda x: world.reset(params, x))(first)
    before, after = (
        jax.tree.map(lambda leaf, cut=cut: leaf[cut], inputs)
        for cut in (slice(None, -1), slice(1, None))
    )
    return jax.lax.scan(lambda s, row: jax.vmap(one)(s, row), state, (before, after, actions))[1]


def rows_of(problem: Problem, host: program.HostWorld) -> Any:
    """Return the inputs of copies 0, 1, 2 as records ``[T + 1, N, ...]``."""
    drawn = DrawnRows(problem.train_stream, host.x, COPIES, columns=True)
    drawn.reset(range(COPIES))
    rows = [next(drawn) for _ in range(STEPS + 1)]
    words = [np.stack(values) for values in zip(*rows, strict=True)]
    leaves, begin = [], 0
    for shape, dtype in zip(host.x.shapes, host.x.dtypes, strict=True):
        size = int(np.prod(shape))
        part = np.stack(words[begin : begin + size], axis=-1).astype(dtype)
        leaves.append(part.reshape(STEPS + 1, COPIES, *shape))
        begin += size
    return jax.tree.unflatten(host.x.structure, leaves)


@pytest.mark.parametrize("name", presets())
def test_all_presets_play_what_jax_plays(name: str, recordings: Path | None) -> None:
    try:
        data = str(recordings) if recordings else None
        problem = build(load(name, {"params.horizon_slots": 50}), data)
    except InputError:
        assert recordings is None
        pytest.skip("needs EDGEWRIGHT_DATA")
    parts = problem.world, problem.params, problem.train_stream
    host = program.host_world(*parts, COPIES)
    if name in TOO_LARGE:
        assert host is None
        return
    assert host is not None
    actions = np.random.default_rng(0).integers(
        problem.world.actions, size=(STEPS, COPIES, problem.world.devices), dtype=np.int32
    )
    wanted = played(problem.world, problem.params, rows_of(problem, host), actions)
    copies = HostVector(host, problem.train_stream, COPIES)
    copies.reset(range(COPIES))
    one = program.host_world(*parts)
    assert one is not None
    alone = HostSingle(one, problem.train_stream)
    alone.reset(1)
    close = functools.partial(np.testing.assert_allclose, rtol=2e-5, atol=2e-4)
    ended = 0
    for step in range(STEPS):
        shown, reward, terminated, truncated, metrics = jax.tree.map(
            lambda leaf, step=step: leaf[step], wanted
        )
        result = copies.step(actions[step])
        close(result.observation, shown)
        close(result.reward, reward)
        np.testing.assert_array_equal(result.terminated, terminated)
        np.testing.assert_array_equal(result.truncated, truncated)
        jax.tree.map(close, result.metrics(), metrics)
        single = alone.step(actions[step, 1])
        np.testing.assert_array_equal(single[0], result.final_observation[1])
        np.testing.assert_array_equal(np.array(single[1]), result.reward[1].reshape(-1))
        assert single[2:4] == (result.terminated[1], result.truncated[1])
        jax.tree.map(
            lambda a, b: np.testing.assert_array_equal(a, b[1]), single[4](), result.metrics()
        )
        if any(single[2:4]):
            np.testing.assert_array_equal(alone.restart(), result.observation[1])
            ended += 1
    assert ended, "no episode ended: the test does not see a reset"


def on_host(function: Any, *given: Any, columns: bool) -> np.ndarray:
    """Return what a function of arrays gives when its trace is run by Python or by NumPy."""
    graph = Graph()
    shapes = [jax.ShapeDtypeStruct(one.shape, one.dtype) for one in given]
    nodes = [arguments(graph, shape)[0] for shape in shapes]
    (result,) = translate(graph, jax.make_jaxpr(function)(*shapes), nodes)
    flat = [list(node.reshape(-1)) for node in nodes]
    run = emit(flat, [list(result.reshape(-1))], 2 if columns else None)
    words = [[*one.reshape(-1)] for one in given]
    if columns:
        words = [[np.array([value, value]) for value in part] for part in words]
    with np.errstate(all="ignore"):
        (values,) = run(*words)
    return np.array([v[1] if columns else v for v in values]).reshape(result.shape)


A = np.array([[-2.5, 0.5, 1.5], [3.0, np.nan, 0.0]], np.float32)
B = np.array([[2.0, -0.75, 1.5], [np.inf, 1.0, 0.0]], np.float32)
WHOLE = np.array([[-7, 5, 0], [3, 2, -1]], np.int32)
J = np.array([[2, -3, 4], [1, 2, 5]], np.int32)
HALF = (J / 2).astype(np.float32)
K = np.array([0, 2, -1, 5, 2], np.int32)

OPERATIONS: dict[str, tuple[Any, tuple[np.ndarray, ...]]] = {
    "arithmetic": (lambda a, b: (a + b) * a - b / a, (A, B)),
    "minimum, maximum": (lambda a, b: jnp.stack([jnp.minimum(a, b), jnp.maximum(a, b)]), (A, B)),
    "clip": (lambda a: jnp.clip(a, -1.0, 1.0), (A,)),
    "comparisons": (lambda a, b: (a < b) & (a != b) | ~(a >= b), (A, B)),
    "where": (lambda a, b: jnp.where(a > b, a, 0.0), (A, B)),
    "floor division": (lambda i, j: jnp.stack([i // j, i % j]), (WHOLE, J)),
    "division that cuts": (
        lambda i, j: jnp.stack([jax.lax.div(i, j), jax.lax.rem(i, j)]),
        (WHOLE, J),
    ),
    "remainder of floats": (lambda a, b: jnp.remainder(a, b), (A, B)),
    "bits": (lambda i, j: (i & j) | ~j, (WHOLE, J)),
    "float to int": (lambda a: (a * 3e9).astype(jnp.int32), (A,)),
    "int to float and bool": (lambda i: i.astype(jnp.float32) * i.astype(bool), (WHOLE,)),
    "rounding": (lambda a: jnp.floor(a) + 10 * jnp.ceil(a) + 100 * jnp.round(a), (A,)),
    "powers": (lambda a, b: jnp.stack([a**5, jnp.abs(a) ** b, jnp.square(b)]), (A, B)),
    "roots": (lambda a: jnp.sqrt(jnp.abs(a)) + jnp.cbrt(a), (A,)),
    "exponentials": (lambda a: jnp.exp(a) + jnp.expm1(a) + jnp.log1p(a * a) + jnp.log(a), (A,)),
    "circles": (lambda a: jnp.sin(a) + jnp.cos(a) + jnp.tanh(a) + jax.nn.sigmoid(a), (A,)),
    "sign": (lambda a, i: jnp.sign(a) + jnp.abs(i) + -jnp.sign(i), (A, WHOLE)),
    "sums": (lambda a: jnp.concatenate([a.sum(0), a.max(1), a.min(1), a[:1, 0]]), (B,)),
    "all, any": (lambda i: jnp.stack([(i > 0).any(0), (i < 9).all(0)]), (WHOLE,)),
    "running sum": (lambda b: jnp.cumsum(b, axis=1) + jnp.flip(b, 1), (B,)),
    "products": (lambda b, j: b[0] @ j.T.astype(jnp.float32), (HALF, WHOLE)),
    "shapes": (lambda a: jnp.tile(a.T.reshape(2, 3), (2, 1))[::2, None, 1:], (A,)),
    "segments": (lambda b, k: jax.ops.segment_sum(b.reshape(-1)[:5], k, 3), (B, K)),
    "choice of three": (
        lambda i, a, b: jax.lax.select_n(jnp.abs(i) % 3, a, b, a + b),
        (WHOLE, A, B),
    ),
}


@pytest.mark.parametrize("columns", [False, True], ids=["one", "columns"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_are_those_of_jax(name: str, columns: bool) -> None:
    function, given = OPERATIONS[name]
    wanted = np.asarray(function(*map(jnp.asarray, given)))
    result = on_host(function, *given, columns=columns)
    assert result.dtype == wanted.dtype
    np.testing.assert_allclose(result, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, k: jnp.sort(a),
        lambda a, k: jax.lax.pow(a, k),  # a power of a float and a whole number
        lambda a, k: jax.lax.dot(k, k, preferred_element_type=jnp.float32),
        lambda a, k: jax.random.bits(jax.random.key(0), (5,)),
        lambda a, k: jax.lax.fori_loop(0, k[0], lambda i, x: x + 1, a),
    ],
    ids=["sort", "mixed power", "mixed product", "random", "loop"],
)
def test_what_no_rule_covers_is_not_translated(function: Any) -> None:
    given = np.arange(5, dtype=np.float32), K
    with pytest.raises(Untranslatable):
        on_host(function, *given, columns=False)


def test_known_numbers_are_folded_and_equal_expressions_computed_once() -> None:
    graph = Graph()
    (node,) = arguments(graph, jax.ShapeDtypeStruct((), np.float32))
    double = jax.make_jaxpr(lambda x: (x + 1.0) * (x + 1.0) + jnp.float32(2.0) * 3.0 + x * 1.0)
    (result,) = translate(graph, double(jnp.float32(0)), [node])
    code = emit([[node.item()]], [[result.item()]]).code
    assert code.count(" + ") == 3  # x + 1 once, and two sums
    assert code.count(" * ") == 1
    assert "6.0" not in code  # constants have names


class Sorting(ProbeWorld):
    """A world with an operation that has no rule, such as one of a plug-in."""

    def observe(self, params: Any, state: Any, x: Any) -> Any:
        return jnp.sort(super().observe(params, state, x))


def test_a_world_without_rules_is_compiled_without_a_word() -> None:
    params = probe("match")
    plain, sorting = ProbeWorld(), Sorting()
    for world, kind in ((plain, HostSingle), (sorting, steppers._CompiledSingle)):
        assert type(steppers.single_stepper(world, params, world.inputs(params))) is kind
    one, other = (adapter.WorldEnv(w, params, w.inputs(params)) for w in (plain, sorting))
    np.testing.assert_array_equal(np.sort(one.reset(seed=1)[0]), other.reset(seed=1)[0])
    for action in (0, 1):
        for env in (one, other):
            env.reset()
        mine, their = one.step(action), other.step(action)
        assert mine[1:4] == their[1:4]
        assert dict(mine[4]) == dict(their[4])
    with pytest.raises(InputError, match="must be 'auto' or 'compiled' for this world"):
        adapter.WorldEnv(sorting, params, sorting.inputs(params), backend="host")
    with pytest.raises(InputError, match="must be 'auto', 'host' or 'compiled'; got 'gpu'"):
        unknown: Any = "gpu"  # what a user may write; types would refuse it
        adapter.WorldEnv(plain, params, plain.inputs(params), backend=unknown)


def test_the_number_of_copies_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steppers, "MAX_HOST_COPIES", 4)
    params = probe("match")
    parts = ProbeWorld(), params, ProbeWorld().inputs(params)
    assert type(steppers.vector_stepper(*parts, 4)) is HostVector
    assert type(steppers.vector_stepper(*parts, 5)) is steppers.CompiledStepper
    assert type(steppers.vector_stepper(*parts, 5, "host")) is HostVector
    monkeypatch.setattr(steppers, "MAX_COLUMN_OPERATIONS", 3)  # no world is that small
    assert type(steppers.vector_stepper(*parts, 4)) is steppers.CompiledStepper
    assert type(steppers.single_stepper(*parts)) is HostSingle


def test_what_a_user_does_to_results_changes_nothing() -> None:
    """Arrays that a step returned, and its actions, belong to the caller."""
    parts = ProbeWorld(), probe("match"), ProbeWorld().inputs(probe("match"))
    careful, careless = (adapter.WorldVectorEnv(*parts, 4) for _ in range(2))
    for envs in (careful, careless):
        envs.reset(seed=0)
    for _ in range(20):
        actions = np.array([0, 1, 1, 0])
        wanted, result = careful.step(actions), careless.step(actions)
        info = repr(wanted[4])
        for mine, their in zip(wanted[:4], result[:4], strict=True):
            np.testing.assert_array_equal(mine, their)
            their[...] = 0
        actions[...] = 0
        assert repr(result[4]) == info


def test_infos_are_computed_when_they_are_read_and_are_dictionaries() -> None:
    calls: list[int] = []

    def info() -> LazyInfo:
        return LazyInfo(lambda: calls.append(0) or {"a": 1, "b": 2})

    info()["c"] = 3
    assert not calls
    one = info()
    one["a"] = 5  # what is written stays
    assert dict(one) == {"a": 5, "b": 2}
    assert len(calls) == 1
    for read in (
        dict,
        lambda i: {**i},
        lambda i: i | {},
        lambda i: {} | i,
        lambda i: i.copy(),
        lambda i: dict(i.items()),
        lambda i: {k: i[k] for k in i},
        lambda i: pickle.loads(pickle.dumps(i)),
        lambda i: (lambda **entries: entries)(**i),
        lambda i: dict(zip(i.keys(), i.values(), strict=True)),
    ):
        assert read(info()) == {"a": 1, "b": 2}
    assert "a" in info()
    assert info().get("z", 4) == 4
    assert len(info()) == 2
    assert repr(info()) == "{'a': 1, 'b': 2}"
    assert info() == info()


def test_a_name_that_is_not_there_computes_nothing() -> None:
    """Stable-Baselines3 asks every copy for "episode" in every step."""

    def compute() -> dict[str, Any]:
        raise AssertionError("computed")

    one = LazyInfo(compute, names={"a"})
    one["c"] = 3
    assert one.get("episode") is None
    assert "episode" not in one
    assert one.get("c") == 3
    with pytest.raises(AssertionError, match="computed"):
        one.get("a")
