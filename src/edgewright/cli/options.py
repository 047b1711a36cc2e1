"""Options that several commands share, and how results are printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from edgewright.core.errors import InputError, nearest
from edgewright.core.files import check_writable

MAX_WHOLE = 10**12
"""No option takes a larger number: nothing would ever end."""

MAX_SEEDS = 4096
"""Seeds of one training; each is held in memory."""

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
data_option = click.option(
    "--data",
    metavar="FOLDER",
    envvar="EDGEWRIGHT_DATA",
    help="Folder of recordings, for scenarios that are driven by them.",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Replace a value of the scenario, e.g. --set params.slot_s=1.0; repeatable.",
)


def writable(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the path of an option, after checking that it can be written."""
    if value is not None:
        check_writable(Path(value), parameter.opts[0], folder=parameter.metavar != "FILE")
    return value


def out_option(metavar: str, help: str, **settings: Any) -> Callable[[F], F]:
    """Return the option ``--out``; a place that cannot be written is refused before any work."""
    return click.option("--out", metavar=metavar, help=help, callback=writable, **settings)


tasks_option = click.option(
    "--tasks",
    metavar="FILE",
    callback=writable,
    help="Write a CSV file with a row for every decision of every policy.",
)

episodes_option = click.option(
    "--episodes", metavar="N", help="Number of evaluation episodes; as the scenario says if absent."
)


def engine_options(command: F) -> F:
    """Add the options ``--engine`` and ``--address`` of commands that run many jobs."""
    where = "With --engine ray: HOST:PORT of a cluster; a new one on this machine if absent."
    command = click.option("--address", metavar="HOST:PORT", help=where)(command)
    what = "local, processes of this machine (the default), or ray, workers of a Ray cluster."
    return click.option("--engine", help=what)(command)


def workers_of(engine: str | None, address: str | None, processes: int | None) -> Any:
    """Return what runs jobs: a number of processes, or what makes workers of a cluster.

    Raises:
        InputError: the engine is unknown, or an address is given without the engine that has one.
    """
    if engine not in (None, "local", "ray"):
        message = f"`--engine` must be local or ray; got '{engine}'"
        raise InputError(message, where="--engine", hint="e.g. --engine ray")
    if engine == "ray":
        if processes == 0:
            message = "`--processes` must be 1 or more with --engine ray; got 0"
            raise InputError(message, where="--processes", hint="e.g. --processes 2")
        from edgewright.studies.ray_pool import ray_pool

        return ray_pool(address, processes)
    if address is not None:
        message = f"`--address` must stand beside --engine ray; got '{address}' without it"
        raise InputError(message, where="--address", hint="add --engine ray, or leave it out")
    return processes


def load_scenario(name: str, overrides: tuple[str, ...]) -> Any:
    """Return the checked scenario of a name or file with ``--set`` values on top."""
    from edgewright.core.text import parse_override
    from edgewright.scenarios.load import load

    return load(name, dict(parse_override(text) for text in overrides))


def with_recordings(scenario: Any, name: str, overrides: tuple[str, ...], data: str | None) -> Any:
    """Return the scenario with its inputs played back from a folder named on the command line.

    Where the scenario is driven by recordings already, or its system names none, it is unchanged.
    A folder in the environment changes nothing: only what is asked for is played back.
    """
    from click.core import ParameterSource

    from edgewright.core.text import parse_override
    from edgewright.scenarios.load import load
    from edgewright.specs.inputs import is_recorded
    from edgewright.systems.registry import system_of

    source = click.get_current_context().get_parameter_source("data")
    recordings = system_of(scenario.world.kind).recordings
    if not data or source is not ParameterSource.COMMANDLINE or is_recorded(scenario):
        return scenario
    entries = {f"streams.{field}": entry for field, entry in recordings.items()}
    return load(name, dict(parse_override(text) for text in overrides) | entries)


def recordings_read(scenario: Any, data: str | None) -> dict[str, Any]:
    """Print on stderr what the recordings of a scenario hold; return it for the output."""
    from edgewright.core.text import printable
    from edgewright.scenarios.build import described

    summaries = described(scenario, data)
    for name, summary in summaries.items():
        click.echo(printable(f"{name}: {summary.line()}"), err=True)
        for note in summary.notes:
            click.echo(printable(f"  note: {note}"), err=True)
    return {name: summary.facts() for name, summary in summaries.items()}


def whole(text: str | None, option: str, least: int, most: int = MAX_WHOLE) -> int | None:
    """Return a whole number from ``least`` to ``most``; ``1e6`` is one too.

    Raises:
        InputError: it is not a whole number, too small or too large.
    """
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if number != number or number in (float("inf"), float("-inf")) or number != int(number):
        raise InputError(f"'{text}' is not a whole number", where=option, hint="e.g. 100 or 1e6")
    if number < least:
        hint = f"give {least} or more"
        raise InputError(f"{text} is too small", where=option, hint=hint)
    if number > most:
        hint = f"give {most:g} or less"
        raise InputError(f"{text} is too large", where=option, hint=hint)
    return int(number)


def some_of(text: str | None, option: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that an option lists between commas, in the order of ``known``; all if None.

    Raises:
        InputError: a name is not known, or there is none.
    """
    if text is None:
        return known
    listed = [one.strip() for one in text.split(",") if one.strip()]
    unknown = [one for one in listed if one not in known]
    if unknown or not listed:
        message = f"must name some of {', '.join(known)}; got '{unknown[0] if unknown else text}'"
        hint = nearest(unknown[0], known) if unknown else "leave it out for all of them"
        raise InputError(message, where=option, hint=hint)
    return tuple(one for one in known if one in listed)


def real(text: str, option: str) -> float:
    """Return an option that is a number.

    Raises:
        InputError: it is none.
    """
    try:
        return float(text)
    except ValueError:
        message = f"must be a number; got '{text}'"
        raise InputError(message, where=option, hint="e.g. 0.05") from None


def print_json(content: dict[str, Any]) -> None:
    """Print exactly one JSON object on stdout; numbers that are not finite become null."""
    click.echo(json_text(content))


def json_text(content: dict[str, Any]) -> str:
    """Return a JSON object as text; numbers that are not finite become null."""
    return json.dumps(_clean(content), indent=2)


def parity_line(parity: Mapping[str, Any]) -> str:
    """Return a sentence on how a bundle met its parity rows on this machine."""
    count = sum(parity["rows"].values())
    return (
        f"parity here: {count} rows, scores within {parity['worst_score_difference']:.1e}, all "
        f"decisions agree in the {parity['settled']} rows where they are settled"
    )


def existing_run(folder: str) -> Path:
    """Return the folder of a run.

    Raises:
        InputError: the folder holds no run.
    """
    path = Path(folder)
    if not (path / "run.json").exists():
        hint = "name a folder written by edgewright train --out"
        raise InputError(
            "must be the folder of a run; run.json is missing", where=folder, hint=hint
        )
    return path


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
