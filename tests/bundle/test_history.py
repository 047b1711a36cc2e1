"""What a file held before can decide again: before an update, or before a canary's promotion."""

import shutil

import pytest

from edgewright.bundle import load
from edgewright.bundle.history import history_folder, replace_bundle, rollback
from edgewright.core.errors import InputError


@pytest.fixture
def promoted(bundles, tmp_path):
    """Return a file whose bundle a canary that no update wrote has replaced, and both versions."""
    file, canary = tmp_path / "p.edge", bundles["a2c"]
    shutil.copy(bundles["se-ppo"], file)
    before = load(file)
    replace_bundle(file, canary.read_bytes(), before, "promote")
    return file, before.version, load(file).version


def test_a_promotion_can_be_undone(promoted, edgewright):
    file, before, after = promoted
    assert f"{before} decides again; before, {after}" in edgewright("rollback", file).stdout
    assert load(file).version == before
    with pytest.raises(InputError, match="promoted here"):  # a rollback is not undone by another
        rollback(file)


def test_the_last_promotion_of_a_version_counts(promoted, bundles):
    file, before, after = promoted
    third = bundles["local-0"]
    now = load(file)
    replace_bundle(file, third.read_bytes(), now, "promote")
    replace_bundle(file, bundles["a2c"].read_bytes(), load(file), "promote")
    with (history_folder(file) / "journal.jsonl").open("a") as journal:
        journal.write('{"at": 1')  # the machine stopped
    assert rollback(file)["to"] == load(third).version
    assert after != before


def test_the_file_of_a_promotion_is_checked(promoted, bundles):
    file, before, _ = promoted
    with pytest.raises(InputError, match=f"must be the bundle {before}"):
        rollback(file, bundles["a2c"])
    copy = history_folder(file) / f"{before}.edge"
    copy.rename(copy.with_name("moved.edge"))
    with pytest.raises(InputError, match=f"{before}, is not there"):
        rollback(file)
    assert rollback(file, copy.with_name("moved.edge"))["to"] == before
