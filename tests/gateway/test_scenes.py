"""Scenes of prompts, and back ends of the kind render where the renderer is not installed."""

import io
import re
import sys
import types

import numpy as np
import pytest
from PIL import Image

from edgewright.core.errors import InputError
from edgewright.gateway.backends import png, render
from edgewright.gateway.backends.render_engine import RenderEngine
from edgewright.gateway.backends.scenes import COLOURS, MAX_SHAPES, shapes_of
from edgewright.gateway.plan import make_plan
from edgewright.gateway.settings import BackendTable
from edgewright.generators.render_measurement import fitted_line
from edgewright.generators.similarity import ssim

RENDER = {
    "name": "studio", "kind": "render", "location": 0, "samples": [1, 4, 16], "step_ms": 40.0,
}  # fmt: skip


def test_words_pick_shapes_colours_and_surfaces():
    shapes = shapes_of("Two red balls, a shiny blue cube; a pillar")
    assert [one.kind for one in shapes] == ["sphere", "cube", "cylinder"]
    assert [one.metal for one in shapes] == [False, True, False]
    assert [one.colour for one in shapes[:2]] == [COLOURS["red"], COLOURS["blue"]]
    assert len(shapes_of("box " * 20)) == MAX_SHAPES
    assert [one.colour for one in shapes_of("something green")] == [COLOURS["green"]] * 3


def test_a_seed_arranges_and_shapes_stand_apart():
    prompt = "ball box pillar ball box pillar"
    first = shapes_of(prompt, 1)
    assert first == shapes_of(prompt, 1) != shapes_of(prompt, 2)
    assert shapes_of(prompt) == shapes_of(prompt) != shapes_of(prompt + ".")
    at = np.array([one.at for one in first])
    distances = np.linalg.norm(at[:, None] - at[None], axis=-1) + 9.0 * np.eye(len(at))
    assert distances.min() > 0.6


@pytest.mark.parametrize(
    ("samples", "side", "wanted"),
    [
        (1, 64, [1]),
        (4, 128, [4]),
        (10, 64, [4, 4, 2]),
        (8, 128, [4, 4]),
        (5, 256, [2, 2, 1]),
        (3, 512, [1, 1, 1]),
    ],
)
def test_passes_are_small_and_sum_to_the_samples(samples, side, wanted):
    assert render.passes(samples, (side, side)) == wanted


@pytest.mark.parametrize("error", [ImportError("gone"), OSError("libfoo.so: no such file")])
def test_a_renderer_that_cannot_be_loaded_is_an_error_of_the_configuration(error, monkeypatch):
    def broken(name):
        raise error

    monkeypatch.setattr(render.importlib, "import_module", broken)
    render.mitsuba.cache_clear()
    table = BackendTable(name="a", kind="render", location=0, samples=(1,))
    with pytest.raises(InputError, match="needs mitsuba") as caught:
        RenderEngine(table, "g.toml: backend[0].kind")
    assert caught.value.where == "g.toml: backend[0].kind" and "pip install" in caught.value.hint


def test_a_denoiser_that_cannot_start_is_an_error_of_the_configuration(monkeypatch):
    class Device:
        def set_int(self, name, value):
            pass

        def commit(self):
            pass

        def get_error(self):
            return "no such processor"

    library = types.SimpleNamespace(Device=Device)
    monkeypatch.setattr(render, "_imported", lambda name: library)
    monkeypatch.setattr(render, "mitsuba", lambda: None)
    render.denoiser.cache_clear()
    table = BackendTable(name="a", kind="render", location=0, samples=(1,))
    with pytest.raises(InputError, match="no such processor") as caught:
        RenderEngine(table, "g.toml: backend[0].kind")
    assert caught.value.where == "g.toml: backend[0].kind"
    assert "denoise = false" in caught.value.hint


def test_light_is_shown_as_the_standard_says():
    linear = np.array([[[0.0, 0.0031308, 1.0], [0.5, 2.0, -1.0]]], np.float32)
    # 0.0031308 * 12.92 = 0.04045, and 1.055 * 0.5^(1 / 2.4) - 0.055 = 0.73536
    assert render.shown(linear).tolist() == [[[0, 10, 255], [188, 255, 0]]]


def test_a_coloured_file_is_what_another_library_reads():
    image = np.random.default_rng(0).integers(0, 256, (24, 40, 3)).astype(np.uint8)
    read = Image.open(io.BytesIO(png.encode(image)))
    read.load()
    assert read.mode == "RGB"
    assert np.array_equal(np.asarray(read), image)
    assert np.array_equal(png.decode(png.encode(image)), image)


def test_similarity_is_one_for_equal_pictures_and_falls_with_noise():
    rng = np.random.default_rng(0)
    image = np.linspace(0, 255, 48 * 48 * 3).reshape(48, 48, 3)
    noise = rng.normal(size=image.shape)
    assert ssim(image, image) == pytest.approx(1.0)
    assert 1.0 > ssim(image, image + 5 * noise) > ssim(image, image + 20 * noise) > 0.0
    # two flat pictures differ in their means alone: (2 a b + c1) / (a^2 + b^2 + c1)
    flat = [np.full((30, 30), value) for value in (100.0, 150.0)]
    c1 = (0.01 * 255) ** 2
    assert ssim(*flat) == pytest.approx((2 * 15_000 + c1) / (32_500 + c1))


def test_similarity_is_that_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(1)
    first = rng.integers(0, 256, (40, 30, 3)).astype(np.uint8)
    second = np.clip(first + rng.normal(0, 20, first.shape), 0, 255).astype(np.uint8)
    theirs = metrics.structural_similarity(
        first, second, channel_axis=2, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, data_range=255,
    )  # fmt: skip
    assert ssim(first, second) == pytest.approx(theirs, abs=1e-9)


def test_a_line_is_fitted_with_its_interval():
    exact = fitted_line([1, 4, 16, 64], [5.0, 11.0, 35.0, 131.0])
    assert (exact.intercept_ms, exact.slope_ms, exact.r2) == pytest.approx((3.0, 2.0, 1.0))
    # slope 1, residuals 1/6, -1/3, 1/6: stderr sqrt(1/6 / 2), and t(0.975, 1) = 12.706
    rough = fitted_line([1, 2, 3], [1.5, 2.0, 3.5])
    assert rough.slope_ms == pytest.approx(1.0)
    assert rough.high_ms - rough.low_ms == pytest.approx(2 * 12.706 * (1 / 12) ** 0.5, rel=1e-3)


@pytest.fixture
def no_renderer(monkeypatch):
    monkeypatch.setitem(sys.modules, "mitsuba", None)
    render.mitsuba.cache_clear()
    yield
    render.mitsuba.cache_clear()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {},
            r"gateway.toml: backend\[0\].kind: must not be 'render' here: rendering needs mitsuba",
        ),
        ({"samples": [4, 1, 16]}, r"backend\[0\].samples: must grow from level to level"),
        ({"samples": [4]}, r"backend\[0\].samples: must have one entry for each of the 3 levels"),
        ({"samples": [0, 1, 2]}, r"backend\[0\].samples\[0\]: must be at least 1; got 0"),
        ({"modality": "chat"}, r"backend\[0\].modality: must be image for render; got 'chat'"),
        ({"denoise": 1}, r"backend\[0\].denoise: must be true or false; got 1"),
    ],
)
def test_what_cannot_render_is_refused(tmp_path, write_config, no_renderer, change, message):
    file = write_config(tmp_path, backend=[{**RENDER, **change}])
    with pytest.raises(InputError) as caught:
        make_plan(file)
    assert re.search(message, str(caught.value))
    assert change or 'pip install "edgewright[render]"' in caught.value.hint
