"""Train the diffusion model of 8x8 digits and write the file that the gateway ships with.

The data are the 1,797 digits of scikit-learn (E. Alpaydin and C. Kaynak, "Optical Recognition of
Handwritten Digits", UCI Machine Learning Repository, 1998, doi 10.24432/C50P49).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from edgewright.core.errors import InputError
from edgewright.core.sealed import save_arrays
from edgewright.gateway.backends.diffusion import (
    CLASSES,
    PIXELS,
    init_shapes,
    shares,
    velocity,
)
from edgewright.gateway.backends.quality import moments

WIDTH, BATCH, CHUNK = 128, 512, 500
LEARNING_RATE, AVERAGE = 2e-3, 0.999


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the images ``[1797, 64]`` from -1 to 1 and their classes ``[1797]``.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits as load
    except ModuleNotFoundError:
        hint = "pip install scikit-learn"
        raise InputError(
            "needs scikit-learn for its digits", where="generator", hint=hint
        ) from None
    data: Any = load()
    return (data.data / 8.0 - 1.0).astype(np.float32), data.target.astype(np.int32)


def train(
    steps: int, seed: int = 0, on_progress: Callable[[str], None] = lambda name: None
) -> tuple[dict[str, np.ndarray], float]:
    """Return the averaged weights by name, and the mean loss of the last steps.

    Args:
        steps: gradient steps, each on :data:`BATCH` images with fresh times and noise.
        on_progress: called with the name of what begins, every :data:`CHUNK` steps.
    """
    images, classes = map(jnp.asarray, load_digits())
    key = jax.random.key(seed)
    weights = _init(key)
    rates = optax.cosine_decay_schedule(LEARNING_RATE, steps)
    optimiser = optax.adam(rates)
    state = (weights, weights, optimiser.init(weights))

    @jax.jit
    def chunk(state: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        def step(state: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            weights, average, momenta = state
            loss, slopes = jax.value_and_grad(_loss)(weights, key, images, classes)
            changes, momenta = optimiser.update(slopes, momenta)
            weights = optax.apply_updates(weights, changes)
            average = jax.tree.map(lambda a, w: AVERAGE * a + (1 - AVERAGE) * w, average, weights)
            return (weights, average, momenta), loss

        return jax.lax.scan(step, state, jax.random.split(key, CHUNK))

    losses = jnp.zeros(())
    for done in range(0, steps, CHUNK):
        on_progress(f"step {done}")
        state, losses = chunk(state, jax.random.fold_in(key, done + 1))
    return {name: np.asarray(one) for name, one in state[1].items()}, float(losses.mean())


def _init(key: jax.Array) -> dict[str, jax.Array]:
    """Return random weights; the output layer begins with zeros."""
    result = {}
    for number, (name, shape) in enumerate(init_shapes(WIDTH).items()):
        scale = 0.0 if len(shape) == 1 or name == "out_w" else float(shape[0]) ** -0.5
        result[name] = scale * jax.random.normal(jax.random.fold_in(key, number), shape)
    return result


def _loss(weights: Any, key: jax.Array, images: jax.Array, classes: jax.Array) -> jax.Array:
    """Return the mean squared error of the velocity over a random batch."""
    of_rows, of_times, of_noise = jax.random.split(key, 3)
    rows = jax.random.randint(of_rows, (BATCH,), 0, len(images))
    times = jax.random.uniform(of_times, (BATCH, 1))
    noise = jax.random.normal(of_noise, (BATCH, PIXELS))
    alpha, sigma = shares(times, jnp)
    noisy = alpha * images[rows] + sigma * noise
    one_hot = jax.nn.one_hot(classes[rows], CLASSES)
    predicted = velocity(weights, noisy, times, one_hot, jnp)
    return jnp.mean((predicted - (alpha * noise - sigma * images[rows])) ** 2)


def write(path: Path, weights: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Write weights, and the moments of the data that quality is measured against, with a hash."""
    mean, covariance = moments(load_digits()[0].astype(np.float64))
    measured = {"data_mean": mean, "data_covariance": covariance}
    arrays = {n: a.astype(np.float32) for n, a in {**weights, **measured}.items()}
    save_arrays(path, arrays, {"width": WIDTH, **facts})
