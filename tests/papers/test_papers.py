"""Studies are found by their folders, without importing one."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from edgewright import papers
from edgewright.core.errors import InputError


def test_every_folder_is_a_study_of_that_name():
    names = list(papers._folders())
    assert names == [
        "edge-dqn",
        "edmsac",
        "fleet",
        "hadrl",
        "learner",
        "mrl",
        "seppo",
        "seppo-trace",
    ]
    assert [papers.study_named(name).name for name in names] == names


def test_names_are_known_without_importing_a_study():
    code = (
        "import sys; from edgewright.papers import study_names; "
        "assert 'seppo-trace' in study_names(); "
        "assert not [m for m in sys.modules if m.startswith('edgewright.papers.')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_study_offers_the_nearest():
    with pytest.raises(InputError, match="did you mean 'seppo'"):
        papers.study_named("sepo")


def test_no_study_walks_through_a_set():
    """A set of names has another order in another process, and intervals are drawn in order."""
    ordered, walked = (ast.Dict, ast.List, ast.Tuple), 0
    for file in sorted(Path(papers.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.For | ast.comprehension):
                walked += isinstance(node.iter, ordered)
                assert not isinstance(node.iter, ast.Set | ast.SetComp), file.name
    assert walked
