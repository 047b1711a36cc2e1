"""Back ends that render, with the extra `render`: `make test-render`."""

import base64
import json
import time

import numpy as np
import openai
import pytest

from edgewright.gateway.backends import png
from edgewright.generators.render_measurement import measure
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load

pytest.importorskip("mitsuba")
pytest.importorskip("pyoidn")

STUDIO = {
    "name": "studio", "kind": "render", "location": 0, "samples": [1, 4, 16], "step_ms": 60.0,
    "speed": 0.5, "power_w": 2.0,
}  # fmt: skip
SIZE = "64x64"


def pixels(data):
    return png.decode(base64.b64decode(data))


@pytest.fixture(scope="module")
def studio(run_gateway, write_config, tmp_path_factory):
    backends = [STUDIO, {**STUDIO, "name": "rough", "location": 1, "denoise": False}]
    folder = tmp_path_factory.mktemp("render")
    with run_gateway(write_config(folder, backend=backends)) as service:
        yield service


def picture(service, **more):
    content = {"prompt": "a red ball", "size": SIZE, "model": "studio", **more}
    status, headers, answer = service.image(content)
    assert status == 200, answer
    return pixels(answer["data"][0]["b64_json"]).astype(float), headers, answer


def test_a_picture_is_what_the_prompt_says_and_the_same_for_a_seed(studio):
    red, _, answer = picture(studio, quality="high", edgewright={"seed": 3})
    again, _, _ = picture(studio, quality="high", edgewright={"seed": 3})
    blue, _, _ = picture(studio, quality="high", prompt="a blue ball", edgewright={"seed": 3})
    other, _, _ = picture(studio, quality="high", edgewright={"seed": 4})
    assert red.shape == (64, 64, 3)
    assert np.array_equal(red, again)
    assert not np.array_equal(red, other)
    redness = [image[..., 0] - image[..., 2] for image in (red, blue)]
    assert redness[0].max() > 100 > 0 > -60 > redness[1].min()
    assert answer["edgewright"]["paced"] is True


def test_the_network_removes_noise_and_more_samples_do_too(studio):
    def roughness(model, quality):
        image, _, _ = picture(studio, model=model, quality=quality, edgewright={"seed": 1})
        return np.abs(np.diff(image[:16], axis=1)).mean()  # the wall is smooth

    raw = [roughness("rough", quality) for quality in ("low", "medium", "high")]
    assert raw[0] > 1.3 * raw[1] > 1.3 * 1.3 * raw[2]
    assert roughness("studio", "low") < 0.5 * raw[2]


def test_partial_images_come_between_passes(studio):
    client = studio.client()
    events = list(
        client.images.generate(
            prompt="a red ball",
            model="studio",
            quality="high",
            size=SIZE,
            stream=True,
            partial_images=3,
        )  # fmt: skip
    )
    kinds = [one.type.rpartition(".")[2] for one in events]
    assert kinds == ["partial_image"] * 3 + ["completed"]
    noise = [np.abs(np.diff(pixels(one.b64_json)[:16].astype(float), axis=1)) for one in events]
    assert noise[0].mean() > noise[2].mean() > noise[3].mean()


def test_a_client_that_goes_away_stops_the_work_after_a_pass(studio, soon):
    """16 samples of 256x256 take 1.9 s at this pace, and a pass of 2 of them 0.24 s."""
    with pytest.raises(openai.APITimeoutError):
        studio.client(timeout=0.2).images.generate(prompt="a box", model="studio", quality="high")
    began = time.monotonic()
    soon(lambda: studio.backend("studio")["queued"] == 0, 5.0)
    assert studio.metric("edgewright_gateway_cancelled_total", stage="running") >= 1
    assert studio.receipts()[-1]["status"] == "cancelled"
    picture(studio, quality="low", size="8x8")  # the thread is free
    assert time.monotonic() - began < 5.0


def test_an_edit_is_refused_with_a_reason(studio):
    content = {"prompt": "a box", "image": [base64.b64encode(b"x").decode()]}
    file = png.encode(np.zeros((64, 64), np.uint8))
    with pytest.raises(openai.BadRequestError, match="edits images"):
        studio.client().images.edit(image=("a.png", file), prompt="a box")
    assert studio.send("/v1/images/edits", content)[0] == 400


def test_quality_and_work_are_measured_against_many_samples():
    facts = measure([1, 4, 16], side=48, reference_samples=256)
    rows = facts["rows"]
    raw, clean = ([row[name] for row in rows] for name in ("raw_psnr_db", "psnr_db"))
    assert raw[0] + 4 < raw[1] and raw[1] + 4 < raw[2]  # 6 dB for four times the samples
    assert all(with_network > without + 5 for with_network, without in zip(clean, raw, strict=True))
    assert [row["ssim"] for row in rows] == sorted(row["ssim"] for row in rows)
    assert facts["line"]["slope_ms"] > 0 and facts["line"]["r2"] > 0.9


def test_a_scenario_is_calibrated_on_renders(edgewright, tmp_path, write_config, monkeypatch):
    monkeypatch.setattr("edgewright.testbed.quality.REFERENCE_SAMPLES", 128)
    slow = {**STUDIO, "step_ms": 400.0}  # so that the pace is kept on a busy machine
    backends = [{**slow, "speed": 0.4}, {**slow, "name": "edge", "location": 1, "speed": 0.8}]
    file, out = write_config(tmp_path, backend=backends), tmp_path / "mine.toml"
    arguments = ("--out", out, "--repeats", "2", "--sizes", "48x48", "--json")
    facts = json.loads(edgewright("calibrate", file, *arguments).stdout)
    assert "SSIM" in facts["quality_source"]
    scores = facts["quality_score"]
    assert 0.5 < scores[0] < scores[1] < scores[2] <= 1.0
    assert facts["quality_multiplier"][0] < 1.0 < facts["quality_multiplier"][2]
    problem = build(load(str(out)))
    np.testing.assert_allclose(problem.params.quality_score, scores, rtol=1e-4)
