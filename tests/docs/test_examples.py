"""Every example of the documentation: Python runs, command lines parse."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
import types
from pathlib import Path

import click
import pytest

from edgewright.cli.main import COMMANDS, app
from edgewright.scenarios import learners
from edgewright.systems import registry

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
FENCE = re.compile(
    r"(?P<needs><!-- needs-(?:data|peers) -->\s*\n)?"
    r"^```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```\s*$",
    re.M | re.S,
)
PROMPT = "$ edgewright"


def blocks(page: Path, language: str) -> list[tuple[int, str, str]]:
    """Return (line of the first code line, code, ``data``, ``peers`` or nothing) of every block."""
    text = page.read_text()
    return [
        (text.count("\n", 0, found.start("code")) + 1, found["code"], need(found["needs"]))
        for found in FENCE.finditer(text)
        if found["language"] == language
    ]


def need(marker: str | None) -> str:
    return re.findall(r"data|peers", marker)[0] if marker else ""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands() -> list[tuple[str, str]]:
    """Return (where, command line) of every command that a page shows; ``\\`` joins lines."""
    shown = []
    for page in PAGES:
        for first, code, _ in blocks(page, "console"):
            joined = re.sub(r"\\\n[ >]*", " ", code)
            shown += [
                (f"{name(page)}:{first}", line[2:])
                for line in joined.splitlines()
                if line.startswith(PROMPT)
            ]
    return shown


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=name)
def test_python_blocks_run(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recordings: Path | None,
) -> None:
    """The blocks of a page share their names and run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    if recordings:
        monkeypatch.setenv("EDGEWRIGHT_DATA", str(recordings.resolve()))
    else:
        monkeypatch.delenv("EDGEWRIGHT_DATA", raising=False)
    # What a page registers is forgotten with it.
    monkeypatch.setattr(registry, "_systems", dict(registry._systems))
    monkeypatch.setattr(learners, "_registered", {})
    module = types.ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", module)  # dataclasses look their module up
    there = {
        "": True,
        "data": recordings is not None,
        "peers": importlib.util.find_spec("stable_baselines3") is not None,
    }
    skipped = 0
    for first, code, needed in blocks(page, "python"):
        if not there[needed]:
            skipped += 1
            continue
        padded = "\n" * (first - 1) + code  # so that an error names the line of the page
        exec(compile(padded, str(page), "exec", dont_inherit=True), module.__dict__)
    if skipped == len(blocks(page, "python")):
        pytest.skip("no folder of recordings (EDGEWRIGHT_DATA), or no extra `peers`")


@pytest.mark.parametrize(("where", "line"), commands())
def test_command_lines_parse(where: str, line: str) -> None:
    """The command and its options exist; nothing is run."""
    words = shlex.split(line, comments=True)[1:]
    words = words[: next((n for n, word in enumerate(words) if word in "|&&;>"), len(words))]
    if not words or words[0].startswith("-"):
        command: click.Command = app
        rest = words
    else:
        assert words[0] in COMMANDS, f"{where}: there is no command '{words[0]}'"
        if importlib.util.find_spec(f"edgewright.cli.{words[0]}_command") is None:
            pytest.skip(f"'{words[0]}' is announced and not there yet")
        found = app.get_command(click.Context(app), words[0])
        assert found is not None
        command, rest = found, words[1:]
    try:
        command.make_context(words[0] if words else "edgewright", rest)
    except click.exceptions.Exit:  # --help and --version end at once
        pass
    except click.UsageError as error:
        pytest.fail(f"{where}: {line}: {error.format_message()}")
