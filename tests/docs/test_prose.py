"""What a program can see of the prose rules: line width, old names, openings and words."""

from __future__ import annotations

import ast
import re
import tokenize
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
    r"--(?:beyond|patience|max-queue|min-score-kept|min-score-ratio|peers|scaling|lite)\b",
    r"\baigc-literal\b|\bbinary-seed\b",
    r"\b(?:actor|critic|inner|outer)_rate\b",
    r"\bclip_gradient\b|\bwarm_share\b|\b(?:obs|rew|advantage)_norm\b",
    r"\bexplore_share\b|\blearn_after\b|\btarget_every\b|\btrain_every\b|\bepsilon_end\b",
    r"\bmissed_reward\b|\bscore_kept\b|\bcritic_calls\b|\bbetter_share\b|\bq_hat_p5\b",
    r"\b(?:edgewright\.)?(?:worlds|baselines)\.(?:aigc|binary)\b",
    r"\bscenarios/data\b|\bstudies\.(?:train|store|peers|arms|joint|compare)\b|\bcore\.checks\b",
    r"\brates-document\b|\bsetting 'document'|\| `?document`? \|",
    r"\bcontender\b|\bforesee\b|\brecord of parity\b",
    r"\b[Ww]hat came out\b",
    r"\bwait = \"(?:slots|backlog)\"",
    r"\bnouns-and-laws\b|\bown-(?:world|policy|learner)\b",
)
MODULES = sorted((ROOT / "src" / "edgewright").rglob("*.py"))
NOUN_OPENING = re.compile(r"^(?!Return |Yield )[A-Z][\w ,`-]{0,40}: ")
HEADLESS_OPENING = re.compile(r"^(?:What|Who|How|Where|Whose|Which|Whether|Say)\b")
IMAGES = re.compile(
    r"\bexam(?:s|ined?|ines|ining)?\b|\bhidden scenarios?\b|\bjourneys?\b|\bdesks?\b|\bmend\w*|"
    r"\b(?:un)?told\b|\btells\b|\bborn\b|\blives\b|\bhouse\b|\barticle\b|\bcontenders?\b|"
    r"\breveal\w*|\bRefusal\b|\bWhat came out\b|\bno start\b|"
    r"\bthere is no such\b|\bthere is no '|\bthere is no \w+ '|"
    r"(?<!\bthere )\b(?:is|are) no\b(?! (?:longer|better|more|less|worse)\b)",
    re.IGNORECASE,
)
"""Images and invented words; the field's words stand in their place."""
EMPTY_NAMES = {"found", "seen", "place", "whole", "kept", "said", "mine", "theirs", "told"}
TEXTS = {
    getattr(tokenize, kind)
    for kind in ("STRING", "COMMENT", "FSTRING_MIDDLE")
    if hasattr(tokenize, kind)
}
"""Kinds of tokens that hold prose; f-strings are of their own kind from Python 3.12 on."""


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


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_no_page_installs_from_an_index_that_does_not_have_the_package(page: Path) -> None:
    """Before a release a page installs from the clone it is read in."""
    assert not re.search(r"pip install ['\"]?edgewright\[", page.read_text())


@pytest.mark.parametrize("page", [p for p in WRITTEN if p.name not in HISTORY], ids=name)
def test_a_page_has_no_old_name(page: Path) -> None:
    old = [
        f"{name(page)}:{number}: {match[0]}"
        for number, line in enumerate(page.read_text().splitlines(), start=1)
        for pattern in OLD_NAMES
        for match in re.finditer(pattern, line)
    ]
    assert not old, old


def documented(module: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, text) of the first line of every docstring of a module."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield getattr(node, "lineno", 1), (ast.get_docstring(node) or "").split("\n")[0]


def prose(module: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, text) of every line of a string or a comment of a module."""
    with module.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type in TEXTS:
                yield from enumerate(token.string.split("\n"), start=token.start[0])


def named(module: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, name) of every parameter and every name that a module assigns."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


def test_docstrings_open_with_a_sentence() -> None:
    """No docstring opens with "Noun: fragment" or with a clause that lacks its main clause."""
    wrong = [
        f"{name(module)}:{number}: {opening}"
        for module in MODULES
        for number, opening in documented(module)
        if NOUN_OPENING.match(opening) or HEADLESS_OPENING.match(opening)
    ]
    assert not wrong, wrong


def test_texts_of_the_source_have_no_image_and_no_invented_word() -> None:
    """Docstrings, comments, messages and help texts use the field's words."""
    wrong = [
        f"{name(module)}:{number}: {match[0]}"
        for module in MODULES
        for number, line in prose(module)
        for match in IMAGES.finditer(line)
    ]
    assert not wrong, wrong


def test_locals_and_parameters_are_named_by_what_they_hold() -> None:
    wrong = [
        f"{name(module)}:{number}: {word}"
        for module in MODULES
        for number, word in named(module)
        if word in EMPTY_NAMES
    ]
    assert not wrong, wrong


@pytest.mark.parametrize(
    "line",
    [
        "it sits an exam",
        "the hidden scenarios",
        "a policy that is told the state",
        "the body is no JSON",
        "hint: mend the value",
        "the house style",
        "there is no such field",
        "there is no learner 'x'",
    ],
)
def test_the_checker_sees_an_image(line: str) -> None:
    assert IMAGES.search(line)


@pytest.mark.parametrize(
    "line",
    ["it is no longer than that", "no better than random", "example"],
)
def test_the_checker_leaves_plain_words_alone(line: str) -> None:
    assert not IMAGES.search(line)
