"""Shapes that OpenAI's Python package sends and reads, unmodified (G6: 1, 2, 4, 5, 29)."""

import base64
import io
import json

import openai
import pytest
from PIL import Image

LITERALS = {
    None: {"low", "medium", "high"},
    "auto": {"low", "medium", "high"},
    "low": {"low"},
    "medium": {"medium"},
    "standard": {"medium"},
    "high": {"high"},
    "hd": {"high"},
    "xhigh": {"high"},
    "max": {"high"},
}


def decoded(b64):
    image = Image.open(io.BytesIO(base64.b64decode(b64)))
    image.load()
    return image


def test_1_an_image_with_the_openai_package(shared):
    result = shared.client().images.generate(prompt="seven of nine", n=2, size="128x64")
    assert [decoded(one.b64_json).size for one in result.data] == [(128, 64)] * 2
    assert result.data[0].b64_json != result.data[1].b64_json
    assert result.size == "128x64"
    assert result.output_format == "png"
    assert result.usage.total_tokens == 0
    assert result.edgewright["decided_by"] == "rule:least-delay"


def test_1_the_receipt_is_in_headers_too(shared):
    raw = shared.client().images.with_raw_response.generate(prompt="3")
    body = raw.parse()
    assert raw.headers["x-edgewright-receipt"] == body.edgewright["receipt"]
    assert raw.headers["x-request-id"] == body._request_id
    assert int(raw.headers["x-edgewright-location"]) == body.edgewright["location"]
    assert float(raw.headers["x-edgewright-paced"]) == body.edgewright["speed"]
    assert float(raw.headers["x-edgewright-service-ms"]) > 0


@pytest.mark.parametrize("partials", [0, 1, 3])
def test_1_partial_images_with_the_openai_package(shared, partials):
    stream = shared.client().images.generate(
        prompt="1 2", stream=True, partial_images=partials, quality="high"
    )
    *before, last = list(stream)
    assert [one.type for one in before] == ["image_generation.partial_image"] * partials
    assert [one.partial_image_index for one in before] == [*range(partials)]
    assert last.type == "image_generation.completed"
    assert last.usage.total_tokens == 0
    images = [decoded(one.b64_json).tobytes() for one in [*before, last]]
    assert len({*images}) == partials + 1
    assert last.edgewright["actual"]["total_ms"] > 0


def test_1_models_with_the_openai_package(shared):
    names = [one.id for one in shared.client().models.list()]
    assert names == ["auto", "device", "edge", "gpt-image-2", "dall-e-3", "small"]
    assert shared.client().models.retrieve("dall-e-3").owned_by == "edgewright"
    with pytest.raises(openai.NotFoundError):
        shared.client().models.retrieve("nothing")


@pytest.mark.parametrize("literal", LITERALS)
@pytest.mark.parametrize("response_format", [None, "b64_json", "url"])
@pytest.mark.parametrize("stream", [False, True])
def test_2_every_literal_gets_a_concrete_quality(shared, literal, response_format, stream):
    given = {"quality": literal, "response_format": response_format, "stream": stream}
    content = {name: value for name, value in given.items() if value is not None}
    result = shared.client().images.generate(prompt="5", size="64x64", **content)
    if stream:
        *_, result = list(result)
        assert decoded(result.b64_json).size == (64, 64)
    elif response_format == "url":
        head, _, b64 = result.data[0].url.partition(",")
        assert head == "data:image/png;base64"
        assert decoded(b64).size == (64, 64)
    else:
        assert decoded(result.data[0].b64_json).size == (64, 64)
    assert result.quality in LITERALS[literal]


WRONG = [
    ({"prompt": ""}, 400, "prompt"),
    ({"prompt": 3}, 400, "prompt"),
    ({"quality": "best"}, 400, "quality"),
    ({"n": 0}, 400, "n"),
    ({"n": "2"}, 400, "n"),
    ({"size": "100x100"}, 400, "size"),
    ({"size": "huge"}, 400, "size"),
    ({"size": "1600x1600"}, 400, "size"),
    ({"stream": "yes"}, 400, "stream"),
    ({"partial_images": 4}, 400, "partial_images"),
    ({"response_format": "raw"}, 400, "response_format"),
    ({"output_format": "svg"}, 400, "output_format"),
    ({"edgewright": 3}, 400, "edgewright"),
    ({"edgewright": {"charge_pct": 101}}, 400, "edgewright.charge_pct"),
    ({"edgewright": {"deadline_ms": "soon"}}, 400, "edgewright.deadline_ms"),
]


def is_envelope(content):
    error = content["error"]
    assert {*error} == {"message", "type", "param", "code"}
    assert error["message"]
    return error


@pytest.mark.parametrize(("content", "status", "param"), WRONG)
def test_4_an_error_is_the_envelope_and_names_its_field(shared, content, status, param):
    given, _, body = shared.image(content)
    assert given == status
    assert is_envelope(body)["param"] == param


def test_4_bodies_and_paths_that_are_wrong(shared):
    for body in (b"", b"[]", b"{", b"\xff", b"3"):
        assert shared.send("/v1/images/generations", body)[0] == 400
    status, _, body = shared.send("/v1/images/generations", {}, {"Content-Type": "text/plain"})
    assert status == 415
    is_envelope(body)
    status, _, body = shared.send("/v1/nothing", {})
    assert status == 404
    is_envelope(body)
    status, headers, body = shared.send("/v1/models", {})
    assert (status, {*headers["allow"].split(", ")}) == (405, {"GET", "HEAD"})
    is_envelope(body)


def test_4_the_package_raises_its_own_errors(shared):
    with pytest.raises(openai.BadRequestError, match="unknown quality 'best'") as caught:
        shared.client().images.generate(prompt="4", quality="best")
    assert caught.value.param == "quality"


def test_5_any_model_name_works_and_one_of_a_back_end_pins_it(shared):
    for model in ("gpt-image-1", "gpt-image-2", "dall-e-2", "dall-e-3", "never-heard-of", "auto"):
        assert shared.image({"model": model, "size": "64x64"})[0] == 200
    for model in ("device", "small"):
        _, headers, _ = shared.image({"model": model, "size": "64x64"})
        assert headers["x-edgewright-backend"] == "device"


def test_28_the_same_prompt_and_seed_give_the_same_image_bit_for_bit(shared):
    content = {"quality": "low", "edgewright": {"seed": 7}}
    first, again = (shared.image(content)[2]["data"][0]["b64_json"] for _ in range(2))
    other = shared.image({**content, "edgewright": {"seed": 8}})[2]["data"][0]["b64_json"]
    assert first == again != other


def test_29_the_parts_of_a_receipt_sum_to_its_total(shared):
    for stream in (False, True):
        content = {"stream": stream} if stream else {}
        if stream:
            [*_] = shared.client().images.generate(prompt="4", **content)
        else:
            shared.image(content)
    receipts = [one for one in shared.receipts() if one["status"] == "done"]
    assert receipts
    for one in receipts:
        actual = one["actual"]
        parts = [actual[f"{n}_ms"] for n in ("queue", "service", "transfer", "overhead")]
        assert sum(parts) == pytest.approx(actual["total_ms"], abs=2.0)
        assert one["paced"] is True
        assert one["predicted"]["delay_ms"] > 0


def test_a_receipt_is_read_by_its_id(shared):
    _, headers, body = shared.image()
    receipt = json.loads(shared.get(f"/v1/receipts/{headers['x-edgewright-receipt']}"))
    assert receipt["status"] == "done"
    assert receipt["location"] == body["edgewright"]["location"]
    assert receipt["runner_up"]["backend"] != receipt["backend"]
    listed = json.loads(shared.get(f"/v1/receipts?after={receipt['id']}"))
    assert listed["data"] == []
