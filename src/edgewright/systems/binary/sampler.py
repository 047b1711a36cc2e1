"""Sample tasks, from a key to the numbers of one task."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from edgewright.core.records import Array, record, static
from edgewright.systems.binary.records import BinaryParams


@record
class BinarySampler:
    """A law of scenarios. ``(low, high)`` pairs are uniform, ``[k]`` lists equally likely."""

    weights: Array  # [k] choices for each device
    input_mbit: Array  # [2]
    output_share: Array  # of the input
    cycles_per_bit: Array  # [2]
    radius_m: Array
    nearest_m: Array
    obstructed_share: Array  # probability that a scenario has no line of sight
    shadowing_db: Array
    bandwidth_mhz: Array  # [k] choices for each scenario
    edge_ghz: Array  # [k] choices for each scenario
    device_ghz: Array
    transmit_dbm: Array
    noise_dbm_hz: Array
    kappa: Array
    gain_log10_mean: Array
    gain_log10_std: Array
    horizon_slots: Array
    devices: int = static()
    fewest_devices: int = static()  # the number of devices is uniform from here to `devices`

    def draw(self, key: Array) -> BinaryParams:
        """Return the numbers of one scenario. Consumes ``key``."""
        keys = jax.random.split(key, 8)
        each = (self.devices,)
        inputs = jax.random.uniform(
            keys[0], each, minval=self.input_mbit[0], maxval=self.input_mbit[1]
        )
        cycles = jax.random.uniform(keys[1], each)
        low, high = self.cycles_per_bit[0], self.cycles_per_bit[1]
        # Uniform in the ring from nearest to radius: the square of the distance is uniform.
        near, far = jnp.square(self.nearest_m), jnp.square(self.radius_m)
        squared = near + (far - near) * jax.random.uniform(keys[2], each)
        count = jax.random.randint(keys[3], (), self.fewest_devices, self.devices + 1)
        return BinaryParams(
            weight=jax.random.choice(keys[4], self.weights, each),
            input_mbit=inputs,
            output_mbit=self.output_share * inputs,
            cycles_per_bit=low + (high - low) * cycles,
            distance_m=jnp.sqrt(squared),
            obstructed=jax.random.bernoulli(keys[5], self.obstructed_share).astype(jnp.float32),
            shadowing_db=self.shadowing_db,
            present=(jnp.arange(self.devices) < count).astype(jnp.float32),
            bandwidth_mhz=jax.random.choice(keys[6], self.bandwidth_mhz),
            noise_dbm_hz=self.noise_dbm_hz,
            transmit_dbm=self.transmit_dbm,
            device_ghz=self.device_ghz,
            kappa=self.kappa,
            edge_ghz=jax.random.choice(keys[7], self.edge_ghz),
            gain_log10_mean=self.gain_log10_mean,
            gain_log10_std=self.gain_log10_std,
            horizon_slots=self.horizon_slots,
        )
