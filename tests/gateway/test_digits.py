"""The shipped generator: its weights, its quality by steps, its files, its pace."""

import io
import shutil
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from edgewright.core.errors import InputError
from edgewright.gateway.backends import diffusion, png
from edgewright.gateway.backends.digits import WEIGHTS, Digits, classes_of, shipped_weights
from edgewright.gateway.backends.quality import frechet_distance, moments, psnr_db
from edgewright.generators.digits_training import load_digits, train, write
from edgewright.generators.measurement import measure

MAX_BYTES = 500_000


def test_the_weights_are_small_and_their_hash_is_checked(tmp_path):
    assert WEIGHTS.stat().st_size < MAX_BYTES
    altered = tmp_path / "digits.npz"
    shutil.copy(WEIGHTS, altered)
    content = bytearray(altered.read_bytes())
    content[len(content) // 2] ^= 1
    altered.write_bytes(content)
    with pytest.raises(InputError, match="does not match its hash"):
        shipped_weights(altered)
    assert {name: array.dtype for name, array in shipped_weights().items()} == {
        name: np.float32 for name in [*diffusion.init_shapes(128), "data_mean", "data_covariance"]
    }


def test_each_doubling_of_the_steps_is_measurably_better():
    """Fréchet distance on 4,096 digits, and PSNR against 100 steps from the same noise."""
    rows = measure(shipped_weights(), [1, 2, 4, 8, 16])
    distances = [row["frechet_distance"] for row in rows]
    ratios = [row["psnr_db"] for row in rows]
    assert all(later < 0.85 * earlier for earlier, later in pairwise(distances))
    assert all(later > 2.0 + earlier for earlier, later in pairwise(ratios))
    assert distances[-1] < 1.0


def test_the_data_themselves_are_at_no_distance_and_noise_is_far():
    """The scale: real digits against the shipped moments, and noise of the same spread."""
    weights = shipped_weights()
    data = weights["data_mean"].astype(float), weights["data_covariance"].astype(float)
    images = load_digits()[0].astype(float)
    assert frechet_distance(moments(images), data) == pytest.approx(0.0, abs=1e-3)
    noise = np.random.default_rng(0).normal(size=images.shape) * images.std() + images.mean()
    assert frechet_distance(moments(noise), data) > 10.0


def test_the_distance_of_two_gaussians_by_hand():
    """Means 3 apart and covariances 4 and 1 times the identity: 9 + d * (2 - 1)^2."""
    first = np.zeros(5), 4.0 * np.eye(5)
    second = np.array([3.0, 0, 0, 0, 0]), np.eye(5)
    assert frechet_distance(first, second) == pytest.approx(9.0 + 5.0)


def test_psnr_by_hand():
    image = np.zeros((4, 4), np.uint8)
    assert psnr_db(image, image, 255.0) == np.inf
    assert psnr_db(image, image + 25, 255.0) == pytest.approx(20 * np.log10(255 / 25))


def test_a_class_is_drawn_that_a_classifier_of_the_data_recognises():
    """Nearest class mean on the real digits; it is right for 9 in 10 of them."""
    images, classes = load_digits()
    means = np.stack([images[classes == n].mean(axis=0) for n in range(10)])
    *_, sheet = Digits().estimates("7", (128, 128), 16, seed=0)
    tiles = sheet.reshape(16, 8, 16, 8).transpose(0, 2, 1, 3).reshape(256, 64) / 127.5 - 1.0
    nearest = ((tiles[:, None] - means) ** 2).sum(axis=-1).argmin(axis=-1)
    assert (nearest == 7).mean() > 0.8


def test_prompts_name_digits():
    assert classes_of("Seven of 9") == [7, 9]
    assert classes_of("someone") == [*range(10)]


def test_a_file_is_what_another_library_reads():
    image = np.random.default_rng(0).integers(0, 256, (24, 40)).astype(np.uint8)
    read = Image.open(io.BytesIO(png.encode(image)))
    read.load()
    assert read.mode == "L"
    assert np.array_equal(np.asarray(read), image)


def test_training_learns_and_its_file_is_read_again(tmp_path):
    weights, loss = train(500, seed=1)
    _, later = train(1000, seed=1)
    assert later < loss < 0.8
    write(tmp_path / "w.npz", weights, {"steps": 500})
    read = shipped_weights(tmp_path / "w.npz")
    assert np.array_equal(read["w_1"], weights["w_1"])
    distance = measure(read, [4], count=1024)[0]["frechet_distance"]
    assert 1.5 < distance < 30.0  # better than noise, worse than what is shipped


def test_the_command_measures(edgewright):
    import json

    rows = json.loads(edgewright("generator", "measure", "--steps", "1,4", "--json").stdout)["rows"]
    assert [row["steps"] for row in rows] == [1, 4]
    assert rows[1]["frechet_distance"] < rows[0]["frechet_distance"]
