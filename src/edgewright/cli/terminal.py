"""Print progress on stderr and tables on stdout."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

SECONDS_BETWEEN_LINES = 30.0
"""How often a line is written where stderr is a file or a pipe, in which no bar can be drawn."""


class _Lines:
    """Progress as a line now and then, where stderr is a file or a pipe."""

    def __init__(self, console: Console, title: str, clock: Callable[[], float]) -> None:
        self.quiet = console.is_terminal
        self.console, self.title, self.clock = console, title, clock
        self.begun = self.said = clock()

    def write(self, share: float, now: str) -> None:
        at = self.clock()
        if self.quiet or at - self.said < SECONDS_BETWEEN_LINES:
            return
        self.said, took = at, at - self.begun
        left = f", {took * (1 - share) / share / 60:.1f} min left" if share > 0 else ""
        text = f"{self.title}: {100 * share:.0f} % after {took / 60:.1f} min{left}; {now}"
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def training_bar(
    title: str, total_steps: int
) -> Iterator[Callable[[int, int, float, float], None]]:
    """Show steps, rate, time left and the reward so far; yield what ``train`` reports to."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[score]}"),
        console=console,
    )
    lines = _Lines(console, title, time.monotonic)
    with progress:
        task = progress.add_task(title, total=total_steps, rate="compiling", score="")

        def report(steps: int, fresh: int, seconds: float, reward: float) -> None:
            rate = fresh / seconds if seconds > 0 else 0.0
            shown = f"{rate / 1e3:,.0f} k steps/s" if rate else "starting"
            score = "" if reward != reward else f"reward/slot {reward:+.3f}"
            progress.update(task, completed=min(steps, total_steps), rate=shown, score=score)
            lines.write(min(steps / total_steps, 1.0), f"{shown} {score}".rstrip())

        yield report


@contextlib.contextmanager
def counting_bar(title: str, total: int) -> Iterator[Callable[[str], None]]:
    """Show which of ``total`` named pieces of work is going on; yield its callback."""
    console = Console(stderr=True)
    progress = Progress(
        SpinnerColumn(),
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}"),
        console=console,
    )
    lines = _Lines(console, title, time.monotonic)
    begun: list[str] = []
    with progress:
        task = progress.add_task(title, total=total, now="")

        def report(name: str) -> None:
            progress.update(task, completed=len(begun), now=name)
            lines.write(len(begun) / total, name)
            begun.append(name)

        yield report
        progress.update(task, completed=total, now="")


@contextlib.contextmanager
def share_bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """Show the share done, the time left and what is going on; yield its callback."""
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[now]}"),
        console=console,
        speed_estimate_period=300.0,
    )
    lines = _Lines(console, title, time.monotonic)
    with progress:
        task = progress.add_task(title, total=1.0, now="starting")

        def report(share: float, now: str) -> None:
            progress.update(task, completed=share, now=now)
            lines.write(share, now)

        yield report


def print_table(
    title: str, columns: Sequence[tuple[str, str, str]], rows: list[dict[str, Any]]
) -> None:
    """Print rows under columns of (key, heading, format); missing values as a dash."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for number, (_, heading, form) in enumerate(columns):
        left = number == 0 or not form
        table.add_column(escape(heading), justify="left" if left else "right", no_wrap=True)
    for row in rows:
        cells = [escape(_cell(row.get(key), form)) for key, _, form in columns]
        table.add_row(*cells, style="bold" if row.get("highlight") else None)
    Console(width=table_width()).print(table)


def needed_width(columns: Sequence[tuple[str, str, str]], rows: list[dict[str, Any]]) -> int:
    """Return the characters that :func:`print_table` needs to cut nothing."""
    total = 0
    for key, heading, form in columns:
        texts = [*heading.split("\n"), *(_cell(row.get(key), form) for row in rows)]
        total += 2 + max(map(len, texts))
    return total


def table_width() -> int:
    """Return the width of tables in characters: a cut number in a file would be a wrong number."""
    console = Console()
    return console.width if console.is_terminal else max(console.width, 120)


def _cell(value: Any, form: str) -> str:
    if value is None or value != value:
        return "-"
    return format(value, form) if form and not isinstance(value, str) else str(value)
