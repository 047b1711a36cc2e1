"""Meta-learned binary offloading (MRL) as a system: tasks, initialisations, held-out sets."""

from __future__ import annotations

from edgewright.systems.binary.bench import measure
from edgewright.systems.binary.build import build, game
from edgewright.systems.binary.calibration import calibrate
from edgewright.systems.binary.held_out import bound, draw_held_out
from edgewright.systems.binary.policies import USUAL, play, policy, policy_names
from edgewright.systems.binary.recorded import extra_results
from edgewright.systems.binary.replay import REPLAY
from edgewright.systems.binary.schema import BinaryScenario, inconsistencies
from edgewright.systems.binary.trainer import trainer
from edgewright.systems.system import Metric, System

TRAINED = (
    "untrained",
    "droo",
    "dnn",
    "dnn-scenario",
    "bias-only",
    "pretrain",
    "reptile",
    "fomaml",
    "maml",
    "droo-nearest",
    "pretrain-nearest",
    "maml-nearest",
)
"""Learners that a comparison trains itself, in the order of tables."""

SYSTEM = System(
    kind="binary",
    scenario=BinaryScenario,
    build=build,
    default_policies=USUAL,
    policy_names=policy_names,
    policy=policy,
    bound=bound,
    metrics=(
        Metric("q_hat", "Q-hat", "", ".4f", "max", interval=True),
        Metric("q_hat_rounded", "Q-hat\nrounded", "", ".4f", "max", interval=True),
        Metric("q_hat_p05", "5th\npercentile", "", ".4f", "max"),
        Metric("q_hat_rounded_p05", "5th percentile, rounded", "", ".4f", "max"),
        Metric("ratio_of_means", "ratio of means", "", ".4f", "max"),
        Metric("optimal_fraction", "optimal", "", ".3f", "max"),
        Metric("weighted_delay_s", "weighted delay", "s", ".4f", "min"),
    ),
    inconsistencies=inconsistencies,
    transfer_world=game,
    export="edgewright.systems.binary.export",
    trainer=trainer,
    recordings={"gain": {"kind": "recorded_gains", "file": "channel/droo_10_devices.mat"}},
    extra_results=extra_results,
    inputs=draw_held_out,
    play=play,
    keeps_episodes=False,
    termination_metrics=(),
    general_learners=False,
    learner_defaults=lambda world: {"masked": world.masked, "num_candidates": world.devices},
    benchmark=measure,
    trains=TRAINED,
    calibrate=calibrate,
    replay=REPLAY,
)
