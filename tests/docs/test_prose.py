"""What a program can see of the prose rules: line width, old names, and openings of docstrings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WIDTH = 100
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
WRITTEN = [page for page in PAGES if page.parent.name != "studies" or page.name == "index.md"]
"""Without the published results of studies, which a command writes."""
HISTORY = {"CHANGELOG.md"}
"""Pages that name old names on purpose."""
OLD_NAMES = (
    r"edgewright bracket",
    r"--(?:beyond|patience|max-queue|min-score-kept|peers|scaling|lite)\b",
    r"\baigc-literal\b|\bbinary-seed\b",
    r"\b(?:actor|critic|inner|outer)_rate\b",
    r"\bclip_gradient\b|\bwarm_share\b|\b(?:obs|rew|advantage)_norm\b",
    r"\bexplore_share\b|\blearn_after\b|\btarget_every\b|\btrain_every\b|\bepsilon_end\b",
    r"\bmissed_reward\b|\bscore_kept\b|\bcritic_calls\b|\bbetter_share\b|\bq_hat_p5\b",
    r"\b(?:edgewright\.)?(?:worlds|baselines)\.(?:aigc|binary)\b",
    r"\bscenarios/data\b|\bstudies\.(?:train|store|peers|arms|joint|compare)\b|\bcore\.checks\b",
    r"\brates-document\b|\bsetting 'document'|\| `?document`? \|",
    r"\bcontender\b|\bforesee\b|\brecord of parity\b",
    r"\bnouns-and-laws\b|\bown-(?:world|policy|learner)\b",
)
NOUN_OPENING = re.compile(r"^(?!Return |Yield )[A-Z][\w ]{0,30}: ")


def lines_outside_code(page: Path) -> Iterator[tuple[int, str]]:
    """Return (number, text) of every line of a page that may be wrapped."""
    fenced = False
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith(("|", "#", "    ", "!", ":::")):
            yield number, line


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_lines_of_a_page_are_wrapped(page: Path) -> None:
    """A line without a space to break at may be longer, for example a link."""
    long = [
        f"{name(page)}:{number}"
        for number, line in lines_outside_code(page)
        if len(line) > WIDTH and " " in line[:WIDTH].strip()
    ]
    assert not long, long


@pytest.mark.parametrize("page", [p for p in WRITTEN if p.name not in HISTORY], ids=name)
def test_a_page_has_no_old_name(page: Path) -> None:
    old = [
        f"{name(page)}:{number}: {match[0]}"
        for number, line in enumerate(page.read_text().splitlines(), start=1)
        for pattern in OLD_NAMES
        for match in re.finditer(pattern, line)
    ]
    assert not old, old


def test_docstrings_of_public_functions_do_not_open_with_a_noun_and_a_colon() -> None:
    """A docstring of ``edgewright.api`` says what the function does."""
    found = []
    for file in sorted((ROOT / "src" / "edgewright" / "api").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                opening = (ast.get_docstring(node) or "").split("\n")[0]
                if NOUN_OPENING.match(opening):
                    found.append(f"{name(file)}:{node.lineno}: {opening}")
    assert not found, found
