"""Compare policies on identical inputs, with the bound beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.api.problem import EdgeProblem, make
from edgewright.api.table import Table, to_pandas
from edgewright.api.training import TrainedRun
from edgewright.core.compilation import keep_compilations
from edgewright.core.errors import InputError
from edgewright.evaluation.action_table import cells, columns
from edgewright.evaluation.compare import compare as compare_policies
from edgewright.evaluation.comparison_table import table
from edgewright.evaluation.gap import percent
from edgewright.evaluation.sources import Asked

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = (
    ("policy", "policy", ""),
    ("reward", "reward/slot", "+.4f"),
    ("reward_low", "low", "+.4f"),
    ("reward_high", "high", "+.4f"),
)

MAX_SHARES = 60
"""Columns in the table of actions."""

GAP = ("gap", "gap to bound closed [%]", "")


@dataclasses.dataclass(frozen=True)
class ComparisonTable:
    """One row for each policy on the same episodes, and the bound.

    Attributes:
        result: all of it as plain data, as ``edgewright compare --json`` prints it.
    """

    result: dict[str, Any]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row for each policy with reward, share of the gap, metrics and 95 % intervals."""
        return self.result["policies"]

    @property
    def bound(self) -> float | None:
        """Upper bound on the mean reward per slot of any policy; None where none is known."""
        bound = self.result["bound"]
        return None if bound is None else bound["reward"]

    def row(self, policy: str) -> dict[str, Any]:
        """Return the row of a policy.

        Raises:
            KeyError: it was not compared.
        """
        return {row["policy"]: row for row in self.rows}[policy]

    def to_pandas(self) -> Any:
        """Return the rows as a ``pandas.DataFrame``.

        Raises:
            InputError: pandas is not installed.
        """
        return to_pandas(self.rows)

    def plot(self) -> Figure:
        """Return the figure: one dot and interval for each policy, and the bound."""
        from edgewright.reporting import figures
        from edgewright.reporting.comparison_page import REWARD, bound_row, comparison_rows

        return figures.comparison(
            comparison_rows(self.result), bound_row(self.result), xlabel=REWARD
        )

    def actions(self) -> Table:
        """Return the shares of every policy's choices [%], bits that are set and ranges."""
        shown = columns(self.rows, most=MAX_SHARES)
        headings = [(key, heading, ".1f") for key, heading, _ in shown]
        rows = [{"policy": row["policy"], **cells(row)} for row in self.rows]
        title = f"{self.result['scenario']}: shares of actions [%]"
        return Table(title, rows, (("policy", "policy", ""), *headings))

    def _table(self) -> Table:
        metrics = self.result["metrics"][:3]
        own = [
            (m["name"], f"{m['heading']} [{m['unit']}]" if m["unit"] else m["heading"], m["format"])
            for m in metrics
        ]
        bound = self.result["bound"]
        if bound is None:
            gap, notes = [], [f"no bound: {self.result['why_no_bound']}"]
        else:
            base = self.result["baseline"]
            gap, notes = [GAP], [f"gap: share of the gap between {base} (0) and the bound (100)"]
        notes += [*self.result["notes"], *(f"warning: {one}" for one in self.result["warnings"])]
        title = f"{self.result['scenario']}: {self.result['episodes']} identical episodes, 95 %"
        rows = [
            {**row, "gap": percent(row.get("gap_closed"))}
            for row in (*self.rows, *([bound] if bound else []))
        ]
        return Table(f"{title} intervals", rows, (*COLUMNS, *gap, *own), tuple(notes))

    def __repr__(self) -> str:
        """Return the table as text."""
        return repr(self._table())

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        return self._table()._repr_html_()


def compare(
    problem: EdgeProblem | str,
    policies: Sequence[Any] | Mapping[str, Any] = (),
    *,
    episodes: int | None = None,
    tasks: str | Path | None = None,
) -> ComparisonTable:
    """Play the same evaluation episodes with every policy and bound what any could earn.

    Args:
        problem: from :func:`edgewright.make`, or the name of a scenario.
        policies: names of policies, runs, folders of runs, bundles, policies in Python files
            (``"mine.py:Calm"``), Stable-Baselines3 models (``"sb3:model.zip+stats.pkl"``), policies
            of your own and classes or functions that make one; a dictionary gives each a label. All
            policies that need no training if empty. The scenario's baseline, its reference and
            ``random`` always play.
        episodes: how many; as the scenario says if absent.
        tasks: a CSV file that gets a row for every decision of every policy.

    Raises:
        InputError: an unknown policy, or a run that does not fit the scenario.
    """
    problem = make(problem) if isinstance(problem, str) else problem
    keep_compilations()
    result = compare_policies(
        problem.scenario,
        _asked(policies),
        data=problem.data,
        episodes=episodes,
        tasks=None if tasks is None else Path(tasks),
    )
    return ComparisonTable(table(result))


def _asked(policies: Sequence[Any] | Mapping[str, Any]) -> list[Asked]:
    """Return what names each policy, with its label where it has one."""
    if isinstance(policies, str):
        message = f"must be a list of policies; got '{policies}'"
        raise InputError(message, where="policies", hint=f"e.g. ['{policies}']")
    if isinstance(policies, Mapping):
        return [(label, _named(one)) for label, one in policies.items()]
    named = [_named(one) for one in policies]
    return [one if isinstance(one, str) else (None, one) for one in named]


def _named(policy: Any) -> Any:
    return str(policy.folder) if isinstance(policy, TrainedRun) else policy


def evaluate(
    run: TrainedRun, problem: EdgeProblem | str | None = None, *, episodes: int | None = None
) -> dict[str, Any]:
    """Return the row of a run on a problem, its own if absent: reward, gap closed and metrics.

    Args:
        run: from :func:`edgewright.train`.
        problem: another scenario of the same sizes, or its name.
        episodes: how many; as the scenario says if absent.

    Raises:
        InputError: the run observes or acts in another way than the scenario's world does.
    """
    compared = compare(run.problem if problem is None else problem, [run], episodes=episodes)
    return next(row for row in compared.rows if row["group"] == "learned")


__all__ = ["ComparisonTable", "compare", "evaluate"]
