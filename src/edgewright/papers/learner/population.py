"""Use several seeds of one training, by choosing the best of them or by deciding together."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from edgewright.core.records import Array, Decision, Memoryless, record
from edgewright.evaluation.trained import seeds_of
from edgewright.loops.evaluate import episode_inputs, summarise
from edgewright.scenarios.build import build
from edgewright.scenarios.load import check
from edgewright.studies.job import JobContext, JobResult
from edgewright.studies.setup import episodes
from edgewright.systems.system import PolicyEntry
from edgewright.training.runs import load_run

CHOSEN, TOGETHER = "best of the seeds by training inputs", "mean of the seeds' probabilities"
"""Names of the two arms."""

VALIDATION_EPISODES = 100


@record
class Together(Memoryless):
    """Takes the action with the highest mean probability over actors.

    Attributes:
        members: an actor policy, leaves ``[seeds, ...]``.
    """

    members: Any

    def act(self, key: Array, carry: tuple[()], observation: Array) -> tuple[tuple[()], Decision]:
        """Return the action ``[*agents]``."""

        def probabilities(one: Any) -> Array:
            return jax.nn.softmax(one.actor(one.inputs(observation)))

        mean = jnp.mean(jax.vmap(probabilities)(self.members), axis=0)
        return carry, Decision(action=jnp.argmax(mean, axis=-1).astype(jnp.int32), aux=())


def populated(context: JobContext, arm: str, scenario: dict[str, Any]) -> JobResult:
    """Measure what the seeds of a training reach as a population.

    Args:
        context: folders of the needed jobs, ``arm`` among them.
        arm: key of the training.
        scenario: the checked scenario as plain data.

    Returns:
        ``"chosen/reward"`` and ``"together/reward"`` ``[1, episodes]``, of the seed that earns most
        on :data:`VALIDATION_EPISODES` episodes of the training inputs, and of all seeds together.
    """
    run, checked = load_run(context.folders[arm], context.data), check(scenario, arm)
    problem = build(checked, context.data)
    entries = seeds_of(run, problem)
    plan = checked.evaluation
    inputs = episode_inputs(
        jax.random.key(plan.seed + 7),
        problem.train_stream,
        VALIDATION_EPISODES,
        problem.horizon,
        plan.fixed_inputs,
    )
    missed = np.float32(plan.post_termination_reward)
    validation = [
        float(
            jnp.mean(
                summarise(one.play(jax.random.key(0), problem.params, inputs), missed)["reward"]
            )
        )
        for one in entries
    ]
    members = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(one.policy for one in entries))
    together = PolicyEntry.learned("together", Together(members=members), entries[0].world)
    best = entries[int(np.argmax(validation))]
    measured = {
        "chosen": episodes([best], checked, context.data),
        "together": episodes([together], checked, context.data),
    }
    arrays = {f"{name}/reward": one["episodes/reward"] for name, one in measured.items()}
    return JobResult(arrays, {"labels": {}, "validation": validation})


__all__ = ["CHOSEN", "TOGETHER", "Together", "populated"]
