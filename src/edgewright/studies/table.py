"""The results of all jobs of a study, read by claims and figures and written as tidy tables."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import InputError, nearest
from edgewright.core.files import write_bytes
from edgewright.studies.job import JobResult, Plan


@dataclasses.dataclass(frozen=True)
class Table:
    """The results of all jobs of a study.

    Attributes:
        results: result of every job, by its key.
        axes: names of the axes of every group of arrays.
        plan: the plan that the jobs were made from.
    """

    results: Mapping[str, JobResult]
    axes: Mapping[str, tuple[str, ...]]
    plan: Plan

    def __getitem__(self, key: str) -> JobResult:
        """Return the result of a job."""
        if key not in self.results:
            raise InputError(f"unknown result '{key}'", hint=nearest(key, self.results))
        return self.results[key]

    def array(self, key: str, name: str) -> np.ndarray:
        """Return an array of a job's result."""
        arrays = self[key].arrays
        if name not in arrays:
            raise InputError(f"unknown array '{name}'", where=key, hint=nearest(name, arrays))
        return arrays[name]

    def rows(self, group: str) -> Iterator[dict[str, Any]]:
        """Yield one row for each index along the axes of a group: a tidy table."""
        if group not in self.axes:
            raise InputError(f"the axes of '{group}' are not named", where="Study.axes")
        axes = self.axes[group]
        for key, result in self.results.items():
            columns = {
                name.removeprefix(f"{group}/"): values
                for name, values in result.arrays.items()
                if name.startswith(f"{group}/")
            }
            if not columns:
                continue
            shape = next(iter(columns.values())).shape
            labels = result.facts.get("labels", {})
            for index in np.ndindex(shape):
                row = {"arm": key, **labels, **dict(zip(axes, index, strict=True))}
                yield row | {name: float(values[index]) for name, values in columns.items()}

    def write_csv(self, path: Path, group: str) -> None:
        """Write the rows of a group as a CSV file with a header."""
        rows = list(self.rows(group))
        names = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.7g}" if isinstance(v, float) else v for k, v in row.items()})
        write_bytes(path, text.getvalue().encode())
