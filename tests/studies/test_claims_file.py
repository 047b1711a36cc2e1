"""Claims are read from a file, each in the settings that its row names."""

import math

import pytest

from edgewright.core.errors import InputError
from edgewright.studies.claims_file import claims_in
from edgewright.studies.job import Plan
from edgewright.studies.table import Table

ROW = """
[[claim]]
key = "leads"
figure = "1"
text = "A is better"
published = "above"
measure = "number"
args = { value = 2.0 }
low = 0
"""


@pytest.fixture
def package(tmp_path, monkeypatch, request):
    """Return the name of a package, and a function that writes its claims."""
    name = f"package_of_{request.node.name}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    return name, lambda text: (folder / "claims.toml").write_text(text)


def number(view, value):
    return view, value


def view(table, setting):
    return setting


def read(name):
    return claims_in(name, {"number": number}, view, ("paper", "fair"))


def test_a_row_is_a_claim_in_every_setting_or_in_those_it_names(package):
    name, write = package
    write(ROW)
    claims = read(name)
    assert [claim.setting for claim in claims] == ["paper", "fair"]
    assert claims[0].region == (0, math.inf)
    table = Table({}, {}, Plan(quick=True, seeds=2, steps=1.0))
    assert [claim.measure(table) for claim in claims] == [("paper", 2.0), ("fair", 2.0)]
    write(ROW + 'settings = ["fair"]\n')
    assert [claim.setting for claim in read(name)] == ["fair"]


def test_an_old_or_unknown_setting_is_refused_with_the_right_one(package):
    name, write = package
    write(ROW + 'settings = ["document"]\n')
    with pytest.raises(InputError, match="'document' is called 'paper' now"):
        read(name)
    write(ROW + 'settings = ["fairr"]\n')
    with pytest.raises(InputError, match="did you mean 'fair'"):
        read(name)
