"""Studies are found by their folders, without importing one."""

import subprocess
import sys

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
