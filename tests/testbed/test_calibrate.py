"""Numbers of a scenario from samples that were worked out by hand, and from real back ends."""

import json
import math
import re

import numpy as np
import pytest

from edgewright.cli.calibrate_gateway import _lines
from edgewright.core.errors import InputError
from edgewright.gateway.backends import png
from edgewright.gateway.backends.digits import Digits
from edgewright.scenarios.build import build
from edgewright.scenarios.load import load
from edgewright.testbed.calibration import PROMPT, SMALL, Sample, steps_of
from edgewright.testbed.fit import errors_of, fit
from edgewright.testbed.quality import of_digits

NOMINAL = (256, 256)


def sample(location, level, service_s, repeat=0, size=NOMINAL, transfer_s=0.0, wire=1000, file=b""):
    name = f"b{location}"
    return Sample(
        name, location, level, size, repeat, service_s, transfer_s, wire, None, file
    )  # fmt: skip


def test_work_speed_and_bytes_follow_from_services():
    # the device takes 1, 2 and 4 s, the server an eighth of that; half the pixels, half the time
    samples = []
    for repeat in range(4):
        for level, seconds in enumerate((1.0, 2.0, 4.0)):
            size = (128, 256) if repeat > 1 else NOMINAL
            share = 0.5 if repeat > 1 else 1.0
            wire = round(share * (40_000 - 10_000 * level))
            samples.append(sample(0, level, share * seconds, repeat, size, wire=wire))
            far = (share * seconds / 8, repeat, size, 0.1 + 8e-6 * wire / 20, wire)
            samples.append(sample(1, level, *far))
    samples += [sample(1, 0, 0.01, n, SMALL, 0.1, 64) for n in range(3)]
    fitted = fit(samples, NOMINAL)
    assert fitted.multiplier == pytest.approx([0.5, 1.0, 2.0])
    assert fitted.ghz == pytest.approx([2.0, 16.0])
    assert fitted.nominal_gcycles == pytest.approx(4.0)  # 2 s at 2 GHz
    assert fitted.work_gcycles((128, 256)) == pytest.approx(2.0)
    assert fitted.output_mb == pytest.approx([0.04, 0.03, 0.02])
    assert fitted.delay_s == pytest.approx(0.05)
    assert fitted.mbps == pytest.approx([20.0] * 12)
    assert fitted.service_s(1, 2, NOMINAL) == pytest.approx(0.5)
    for error in fitted.errors.values():
        assert (error.absolute, error.signed) == pytest.approx((0.0, 0.0), abs=1e-6)
    assert fitted.errors["service"].count == 12
    assert fitted.service_cv == pytest.approx([0.0, 0.0])


def test_errors_are_those_of_images_that_the_fit_did_not_use():
    samples = [
        sample(m, k, 1.0 + repeat, repeat) for m in (0, 1) for k in (0, 1) for repeat in (0, 1)
    ]
    fitted = fit(samples, NOMINAL)
    assert fitted.service_s(0, 0, NOMINAL) == pytest.approx(1.0)
    assert fitted.errors["service"].absolute == pytest.approx(0.5)  # 1 s predicted, 2 s actual
    assert fitted.errors["service"].signed == pytest.approx(-0.5)
    assert fitted.service_cv == pytest.approx([1 / 3, 1 / 3])  # 1 and 2 s about 1.5 s
    assert errors_of([2.0, 1.0], [1.0, 2.0]).signed == pytest.approx(0.25)


def sheets(levels, repeats, size=(128, 128)):
    digits = Digits()
    for level, steps in enumerate(levels):
        for repeat in range(repeats):
            *_, image = digits.estimates(PROMPT, size, steps, seed=repeat)
            yield sample(0, level, 1.0, repeat, size, file=png.encode(image))


def test_quality_rises_with_steps_and_ends_at_one():
    quality = of_digits(list(sheets((1, 4, 50), 2)), 3)
    assert quality.score[0] == pytest.approx(0.0, abs=0.05)  # one step, as the worst of the scale
    assert quality.score[2] == pytest.approx(1.0, abs=0.05)
    assert 0.3 < quality.score[1] < 1.0
    assert quality.distance[0] > quality.distance[1] > quality.distance[2]
    assert np.abs(np.subtract(quality.score, quality.held_out)).max() < 0.15
    with pytest.raises(InputError, match="must answer sheets of digits"):
        of_digits([sample(0, 0, 1.0, 0, file=b"GIF89a")] * 2, 1)


def test_a_file_of_pixels_is_read_back():
    image = np.arange(12 * 8, dtype=np.uint8).reshape(12, 8)
    assert (png.decode(png.encode(image)) == image).all()
    for wrong in (b"", png.encode(image)[:40], png.encode(image)[:24] + b"\x10\x02" + b"\0" * 9):
        with pytest.raises(ValueError, match="must"):
            png.decode(wrong)


BACKENDS = """
[quality]
levels = ["draft", "fine"]
[[backend]]
name = "device"
kind = "digits"
location = 0
steps = [1, 4]
step_ms = 1.0
speed = 0.1
power_w = 2.0
[[backend]]
name = "edge"
kind = "digits"
location = {location}
steps = [1, 4]
step_ms = 1.0
speed = 0.2
power_w = 20.0
"""


def test_the_command_writes_a_scenario_to_train_on(edgewright, tmp_path):
    config, out = tmp_path / "gateway.toml", tmp_path / "mine.toml"
    config.write_text(BACKENDS.format(location=1))
    arguments = ("--out", out, "--repeats", "2", "--sizes", "64x64,128x128", "--json")
    facts = json.loads(edgewright("calibrate", config, *arguments).stdout)
    assert facts["images"] == 8
    scenario = load(str(out))
    problem = build(scenario)
    assert (problem.world.servers, problem.world.qualities) == (1, 2)
    np.testing.assert_allclose(problem.params.output_mb, facts["output_mb"], rtol=1e-4)
    np.testing.assert_allclose(problem.params.quality_score, facts["quality_score"], rtol=1e-4)
    assert facts["ghz"][0] == pytest.approx(2.0)
    np.testing.assert_allclose(problem.params.server_ghz, facts["ghz"][1:], rtol=1e-4)
    assert facts["quality_multiplier"][1] == 1.0
    assert math.isclose(scenario.params.slot_s, facts["gap_s"], rel_tol=1e-4)
    text = "\n".join(_lines(str(out), facts))
    assert re.search(r"error of service on the 4 images held out", text)


@pytest.mark.parametrize(
    ("location", "more", "message"),
    [
        (0, "", r"`location` must be of one back end; got 0 twice, of 'device' and 'edge'"),
        (2, "", r"location 0 and at each up to 2"),
        (1, "--sizes=60x64", r"`--sizes` must be sizes such as 256x256; got 60x64"),
        (1, "--gap-s=0", r"`--gap-s` must be a number above 0; got 0"),
    ],
)
def test_wrong_back_ends_and_options_are_refused(edgewright, tmp_path, location, more, message):
    config, out = tmp_path / "gateway.toml", tmp_path / "mine.toml"
    config.write_text(BACKENDS.format(location=location))
    arguments = [one for one in (more,) if one]
    error = edgewright("calibrate", config, "--out", out, *arguments, code=2).stderr
    assert re.search(message, error)
    assert not out.exists()


UPSTREAM = """
[quality]
levels = ["draft"]
[[backend]]
name = "device"
kind = "digits"
location = 0
steps = [1]
step_ms = 0.1
[[backend]]
name = "gpu"
kind = "upstream"
location = 1
url = "http://127.0.0.1:1/v1"
levels = [{}]
seconds = [0.1]
"""


def test_a_back_end_that_is_not_there_is_named(edgewright, tmp_path):
    config = tmp_path / "gateway.toml"
    config.write_text(UPSTREAM)
    error = edgewright("calibrate", config, "--out", tmp_path / "s.toml", code=2).stderr
    assert re.search(r"backend 'gpu': must answer requests for images: cannot be reached", error)


def test_steps_count_references_only_where_all_images_are_rendered(tmp_path):
    config = tmp_path / "gateway.toml"
    config.write_text(UPSTREAM)
    assert steps_of(config) == 2 and steps_of(config, renders=True) == 3
    quality, _, server = UPSTREAM.split("[[backend]]")
    config.write_text(f'{quality}[[backend]]{server}modality = "chat"\n')
    assert steps_of(config) == 0
