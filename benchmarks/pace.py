"""How well do paced back ends keep their pace? Acceptance check 26 of the testbed.

    python benchmarks/pace.py --factors 8 12 24

Three back ends make sheets of digits in one process at the same time, each at a speed of one over
the factor. Services should take as long as stated. The exit code is 1 where a mean is more than
10 % late, or the coefficient of variation (CV) of a back end's services is above 0.06. On a
machine that is busy with other work neither can be kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from contextlib import aclosing

import numpy as np

from edgewright.gateway.backends.digits_engine import DigitsEngine
from edgewright.gateway.backends.paced import Paced
from edgewright.gateway.jobs import Job
from edgewright.gateway.ledger import Ledger
from edgewright.gateway.settings import BackendTable

LATE, SPREAD = 1.10, 0.06
SIZE, STEPS = (256, 256), 5


async def services(name: str, factor: float, count: int) -> list[float]:
    """Return actual over stated time of each service of one back end."""
    table = BackendTable(name=name, kind="digits", location=0, speed=1.0 / factor, steps=(STEPS,))
    generator, ledger, result = Paced(table, DigitsEngine(table)), Ledger(), []
    try:
        for number in range(count):
            job = Job("0 1 2", SIZE, 1, 0, seed=number)
            item = ledger.add(generator.expected_s(SIZE, 1, 0))
            async with aclosing(generator.run(job, ledger, item)) as events:
                async for _ in events:
                    pass
            ledger.finish(item, job.service_s)
            assert job.lateness is not None, "it is paced"
            result.append(job.lateness)
    finally:
        await generator.close()
    return result


async def together(factor: float, count: int) -> list[list[float]]:
    """Return the services of three back ends that work at the same time."""
    return await asyncio.gather(*(services(f"b{n}", factor, count) for n in range(3)))


def main() -> None:
    """Measure, print one JSON object, and say by the exit code whether the pace was kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--factors", type=float, nargs="+", default=[8.0, 12.0, 24.0])
    parser.add_argument("--services", type=int, default=15, help="of each back end and factor")
    given = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    rows = []
    for factor in given.factors:
        ratios = np.array(asyncio.run(together(factor, given.services)))
        spread = ratios.std(axis=1) / ratios.mean(axis=1)
        rows.append(
            {
                "factor": factor,
                "services": ratios.size,
                "mean_lateness": float(ratios.mean()),
                "worst_mean": float(ratios.mean(axis=1).max()),
                "worst_cv": float(spread.max()),
                "share_late": float((ratios > LATE).mean()),
            }
        )
    kept = all(row["worst_mean"] <= LATE and row["worst_cv"] <= SPREAD for row in rows)
    print(json.dumps({"load_average": os.getloadavg()[0], "rows": rows, "kept": kept}, indent=2))
    raise SystemExit(not kept)


if __name__ == "__main__":
    main()
