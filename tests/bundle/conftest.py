"""Forgers of bundles: they change what they like and make every hash right again."""

import json

import onnx
import pytest

from edgewright.bundle import archive, manifest


@pytest.fixture(scope="session")
def content(bundles):
    """Return the file of a small bundle."""
    return bundles["dqn-plain"].read_bytes()


@pytest.fixture(scope="session")
def resealed():
    """Return what changes the manifest and the members of a bundle and seals it again."""

    def forge(content, change_facts=lambda facts: None, change_members=lambda members: None):
        members = archive.unpack(content, "")
        facts = json.loads(members.pop(manifest.MEMBER))
        change_members(members)
        for key in ("schema", "members", "sha256"):
            facts.pop(key)
        change_facts(facts)
        return archive.pack({manifest.MEMBER: manifest.seal(facts, members), **members})

    return forge


@pytest.fixture(scope="session")
def with_graph(resealed):
    """Return what changes the graph of a bundle, read by ONNX, and seals it again."""

    def forge(content, change):
        def members(found):
            model = onnx.load_from_string(found["policy.onnx"])
            change(model)
            found["policy.onnx"] = model.SerializeToString()

        return resealed(content, change_members=members)

    return forge
