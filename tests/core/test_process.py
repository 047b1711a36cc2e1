"""Switches of JAX that decide numbers are refused by name, in a process of its own each."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import jaxlib.version
import numpy as np
import pytest

from edgewright.core import process
from edgewright.core.errors import InputError

COMPARE = ("compare", "aigc-toy", "--episodes", "2", "--policies", "greedy",
           "--set", "params.horizon_slots=6", "--json")  # fmt: skip
GYM = (
    "import edgewright.adapters.gymnasium, gymnasium\n"
    "gymnasium.make('Edgewright/aigc-heavy-v0').reset(seed=0)\n"
)
WORLD = (
    "from edgewright.systems.probes import ProbeWorld, probe\n"
    "from edgewright.testing import check_world\n"
    "check_world(ProbeWorld(), probe('match'))\n"
)


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("JAX_ENABLE_X64", "1", "jax_enable_x64 must be False; got True"),
        ("JAX_DEFAULT_PRNG_IMPL", "rbg", "jax_default_prng_impl must be 'threefry2x32'; got 'rbg'"),
        ("JAX_THREEFRY_PARTITIONABLE", "0", "jax_threefry_partitionable must be True; got False"),
        ("JAX_RANDOM_SEED_OFFSET", "1", "jax_random_seed_offset must be 0; got 1"),
        ("JAX_DEFAULT_MATMUL_PRECISION", "bfloat16", "jax_default_matmul_precision must be None"),
        ("JAX_NUMPY_DTYPE_PROMOTION", "strict", "jax_numpy_dtype_promotion must be 'standard'"),
        ("JAX_NUMPY_RANK_PROMOTION", "raise", "jax_numpy_rank_promotion must be 'allow'"),
    ],
)
def test_a_switch_that_changes_numbers_is_refused(variable: str, value: str, said: str) -> None:
    done = run("-m", "edgewright", *COMPARE, **{variable: value})
    assert done.returncode == 2
    assert said in done.stderr
    assert f"unset {variable}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("code", [GYM, WORLD], ids=["gymnasium", "check_world"])
def test_adapters_and_checks_refuse_it_too(code: str) -> None:
    done = run("-c", code, JAX_ENABLE_X64="1")
    assert done.returncode == 1
    assert "InputError: JAX: jax_enable_x64 must be False" in done.stderr


@pytest.fixture(scope="module")
def plain() -> subprocess.CompletedProcess[str]:
    return run("-m", "edgewright", *COMPARE)


@pytest.mark.parametrize("variable", ["JAX_DEBUG_NANS", "JAX_DISABLE_JIT", "JAX_DEBUG_INFS"])
def test_a_switch_that_only_checks_or_slows_changes_nothing(
    plain: subprocess.CompletedProcess[str], variable: str
) -> None:
    switched = run("-m", "edgewright", *COMPARE, **{variable: "1"})
    assert switched.returncode == 0, switched.stderr[-800:]
    one, other = (json.loads(done.stdout)["policies"] for done in (plain, switched))
    assert [row["policy"] for row in one] == [row["policy"] for row in other]
    for name in ("reward", "delay_s", "energy_j"):  # up to the order of float operations
        values = [row[name] for row in one]
        assert [row[name] for row in other] == pytest.approx(values, rel=1e-5)


def test_the_facts_name_the_versions_and_every_switch() -> None:
    versions = {"jax": jax.__version__, "jaxlib": jaxlib.version.__version__}
    assert process.facts() == {**versions, **process.SWITCHES}


FORKED = """
import multiprocessing as processes
import gymnasium
import edgewright.adapters.gymnasium as adapter

def env():
    return adapter.make("aigc-toy", overrides={"params.horizon_slots": 5})

if __name__ == "__main__":
    envs = gymnasium.vector.AsyncVectorEnv([env, env], context="CONTEXT")
    observation, _ = envs.reset(seed=0)
    print(observation.shape[0], len(envs.step(envs.action_space.sample())[1]))
    envs.close()
"""


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_a_forked_environment_is_refused_and_a_spawned_one_plays(context: str, tmp_path) -> None:
    script = tmp_path / "vector.py"
    script.write_text(FORKED.replace("CONTEXT", context))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120
    )
    if context == "spawn":
        assert done.stdout.split() == ["2", "2"], done.stderr[-800:]
    else:
        assert done.returncode != 0
        assert "JAX had started before this process was forked" in done.stderr
        assert "context='spawn'" in done.stderr


def test_a_compiler_that_sums_wrongly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxlib.version, "__version__", "0.10.2")
    with pytest.raises(InputError, match="0.10.2 compiles some sums of products wrongly"):
        process.check_process()


@pytest.mark.parametrize("slots", [5, 60, 200])
@pytest.mark.parametrize("copies", [1, 3, 8])
def test_the_compiler_here_sums_products_of_broadcasts(copies: int, slots: int) -> None:
    """What jaxlib 0.10.2 gets wrong: two broadcasts, their product, a sum over the last axis."""
    rng = np.random.default_rng(0)
    few = rng.uniform(1, 5, (copies, 4)).astype(np.float32)
    table = rng.integers(0, 2, (16, 4)).astype(np.float32)

    @jax.jit
    def sums(values: jax.Array) -> jax.Array:
        wide = jnp.broadcast_to(values[:, None, None, :], (copies, slots, 16, 4))
        return jnp.sum(wide * table, axis=-1)

    exact = np.broadcast_to((few @ table.T)[:, None], (copies, slots, 16))
    np.testing.assert_allclose(sums(jnp.asarray(few)), exact, rtol=1e-5, atol=1e-5)


def test_the_compiler_here_sums_squares_of_vmapped_products() -> None:
    """The example of jax-ml/jax issue 39103."""
    row = np.arange(32_769, dtype=np.float32)
    rows = jnp.stack([row, np.zeros_like(row), np.zeros_like(row)], axis=1)
    matrix = jnp.eye(3)
    squares = jax.jit(lambda x: jax.vmap(lambda one: jnp.sum((matrix @ one) ** 2))(x))(rows)
    np.testing.assert_allclose(squares, np.square(row), rtol=1e-6)
