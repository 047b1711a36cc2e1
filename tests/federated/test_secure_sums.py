"""Sums that hide their parts: what travels, and what is refused (no Flower is needed here)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.federated.aggregation import Upload, aggregate
from edgewright.federated.engines import engine_of
from edgewright.federated.modules import SHAPES, init_model
from edgewright.federated.rounds import client_update, run_local, work_of
from edgewright.federated.secure_sums import RANGE, check_groups, packed, unpacked
from edgewright.federated.settings import MODULES, Settings

SAMPLES = np.array([[10, 12], [7, 12], [8, 9]])


def test_the_mean_of_packed_uploads_stands_for_the_plain_aggregate() -> None:
    settings = Settings(servers=3, rounds=1)
    tasks = work_of(settings, 0, SAMPLES, {}).rounds[0]
    model = {name: array + 0.1 for name, array in init_model().items()}
    uploads = [client_update(settings, 0, model, task, "") for task in tasks.values()]
    expected = aggregate(settings, model, uploads, dict.fromkeys(tasks, MODULES)).model
    vectors = [packed(one, model) for one in uploads]
    assert all(np.all(np.abs(array) < RANGE) for vector in vectors for array in vector)
    weights = [one.samples for one in uploads]
    mean = [np.average(parts, axis=0, weights=weights) for parts in zip(*vectors, strict=True)]
    result = unpacked(mean, model, MODULES, sum(weights))
    for name in SHAPES:
        before = 0.0 if name.split("/")[0] in ("perception", "action") else model[name]
        np.testing.assert_allclose(result[name] + before, expected[name], atol=1e-6, err_msg=name)


def test_rounding_leaves_no_sum_where_nothing_was_counted() -> None:
    settings = Settings(servers=3, rounds=1)
    task = work_of(settings, 0, SAMPLES, {}).rounds[0][0]
    upload = client_update(settings, 0, init_model(), task, "")
    noisy = [array + 1e-6 for array in packed(upload, init_model())]
    result = unpacked(noisy, init_model(), MODULES, upload.samples)
    empty = upload.arrays["memory/counts"] == 0
    assert empty.any()
    assert np.all(result["memory/sums"][empty] == 0.0)
    np.testing.assert_array_equal(result["planning/counts"], upload.arrays["planning/counts"])


def secret(**settings: Any) -> Settings:
    return Settings(aggregation="secure", **{"servers": 3, "rounds": 1, **settings})


def test_local_rounds_cannot_hide_anything() -> None:
    with pytest.raises(InputError, match="must run on Flower's messages; got --engine local"):
        engine_of("local", 2, secret())
    with pytest.raises(InputError, match="must run on Flower's messages; got --engine local"):
        run_local(work_of(secret(), 0, SAMPLES, {}), lambda name: None)


@pytest.mark.parametrize(
    ("settings", "samples", "message"),
    [
        (secret(), [[10, 0], [7, 0], [0, 0]], "in round 1 only 2 train perception, memory"),
        (secret(), [[10, 1], [7, 0], [8, 2]], "in round 2 only 2 train perception, memory"),
        (secret(servers=11, mode="split"), [[5, 5]] * 11, "in round 1 only 2 train action"),
    ],
)
def test_a_sum_of_two_is_refused(settings: Settings, samples: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_groups(work_of(settings, 0, np.array(samples), {}))


def test_an_upload_is_checked_as_one_of_all_samples() -> None:
    """The checks of single uploads hold for sums, which the cloud applies them to."""
    settings = Settings(servers=3, rounds=1)
    tasks = work_of(settings, 0, SAMPLES, {}).rounds[0]
    uploads = [client_update(settings, 0, init_model(), task, "") for task in tasks.values()]
    total = sum(one.samples for one in uploads)
    arrays = {n: np.sum([one.arrays[n] for one in uploads], axis=0) for n in SHAPES}
    used = aggregate(settings, init_model(), [Upload(0, arrays, total)], {0: MODULES})
    assert used.used == (0,)
    arrays["memory/counts"] = arrays["memory/counts"] * 100
    used = aggregate(settings, init_model(), [Upload(0, arrays, total)], {0: MODULES})
    assert used.set_aside.keys() == {0}
