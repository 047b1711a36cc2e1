"""Define the closed loop on a testbed where a worker becomes slower."""

from __future__ import annotations

import dataclasses

from edgewright.testbed.plan import Setup, Worker

SITE = Setup(
    workers=(
        Worker("device", 0.1, 2.0, queue=4),
        Worker("edge-1", 0.5, 4.0, queue=8),
        Worker("edge-2", 0.25, 2.0, queue=8),
    ),
    steps=(2, 4),
    step_ms=8.0,
    sizes=((160, 160), (192, 160)),
    load=0.6,
    mean_mbps=24.0,
    seconds=5.0,
    rounds=4,
    policies=("se-ppo",),
    train_steps=3e5,
    calibration_s=6.0,
)
"""Two servers, a device and two levels: six actions, so that few decisions show the effect of each.

Services are long enough that a machine with other work keeps their pace."""


@dataclasses.dataclass(frozen=True)
class LoopSetup:
    """All that is fixed before a run.

    Attributes:
        site: machines, traffic and training; ``seconds`` and ``rounds`` are those of the blocks in
            which policies are compared.
        slow: index of the worker that becomes slower, 1 for the first server.
        slower: factor of its services.
        watch, collect: shares of the decisions that are drawn uniformly, until drift is noticed and
            after it, when an update needs them.
        watch_s, collect_s: time for which the gateway logs with the first share, before the change
            and after it, and with the second one.
        check_every: decisions of the changed site after which drift is tested each time.
        rate: stated rate of false alarms of all those tests together.
        retrain_steps: environment steps of the update.
        episodes: of the comparison in simulation.
        idle_hz: requests a second while the update works, which must not be lost.
    """

    site: Setup = SITE
    slow: int = 1
    slower: float = 3.0
    watch: float = 0.1
    collect: float = 0.5
    watch_s: float = 60.0
    collect_s: float = 100.0
    check_every: int = 500
    rate: float = 0.01
    retrain_steps: float = 6e5
    episodes: int = 100
    idle_hz: float = 8.0


LOOP = LoopSetup()
