"""Edits of images, as JSON and as forms, with the official client, here and at a worker."""

import base64
import io

import numpy as np
import pytest

from edgewright.gateway.backends import png
from edgewright.gateway.backends.digits import Digits
from edgewright.gateway.edits import png_size, read_edit
from edgewright.gateway.errors import APIError
from edgewright.gateway.multipart import parse_form
from edgewright.gateway.settings import GatewayTable

pytest.importorskip("python_multipart", reason="forms need python-multipart")

*_, SHEET = Digits().estimates("4", (16, 16), 8, seed=3)
FILE = png.encode(SHEET)


def file(content=FILE):
    result = io.BytesIO(content)
    result.name = "sheet.png"
    return result


def decoded(image):
    return png.decode(base64.b64decode(image.data[0].b64_json))


def test_an_edit_begins_with_the_image():
    digits = Digits()
    *_, same = digits.estimates("4", (16, 16), 8, seed=7, edited=SHEET)
    *_, other = digits.estimates("4", (16, 16), 8, seed=7)
    far, near = (np.abs(one.astype(float) - SHEET).mean() for one in (other, same))
    assert near < 0.8 * far


def test_the_client_edits_one_and_several_files(shared):
    client = shared.client()
    image = client.images.edit(image=file(), prompt="seven", quality="low")
    assert decoded(image).shape == (16, 16)
    assert (image.quality, image.size) == ("low", "16x16")
    assert image.edgewright["level"] == 0
    again = client.images.edit(image=[file(), file()], prompt="seven", quality="low")
    assert decoded(again).tolist() == decoded(image).tolist()
    extra = {"edgewright": {"mode": "best", "deadline_ms": 60_000, "seed": 5}}
    seeded = client.images.edit(image=file(), prompt="seven", quality="low", extra_body=extra)
    assert decoded(seeded).tolist() != decoded(image).tolist()
    receipt = shared.receipts()[-1]
    assert receipt["deadline_ms"] == pytest.approx(27_000)  # nine tenths of the client's 30 s


def test_json_and_a_stream_give_the_same_image(shared):
    text = base64.b64encode(FILE).decode()
    content = {"prompt": "seven", "quality": "low", "image": f"data:image/png;base64,{text}"}
    status, _, body = shared.send("/v1/images/edits", content)
    assert status == 200
    listed = {"prompt": "seven", "quality": "low", "images": [{"image_url": text}]}
    assert shared.send("/v1/images/edits", listed)[2]["data"] == body["data"]
    events = list(
        shared.client().images.edit(
            image=file(), prompt="seven", quality="high", stream=True, partial_images=1
        )
    )
    assert [one.type for one in events] == ["image_edit.partial_image", "image_edit.completed"]


def test_a_worker_gets_the_file(gateway, device):
    with gateway("worker.toml", backend=[device]) as worker:
        upstream = {
            "name": "far", "kind": "upstream", "location": 0, "url": f"{worker.url}/v1",
            "levels": [{"quality": one} for one in ("low", "medium", "high")],
            "seconds": [0.1, 0.2, 0.4],
        }  # fmt: skip
        with gateway(backend=[upstream]) as service:
            here = worker.client().images.edit(image=file(), prompt="seven", quality="low")
            far = service.client().images.edit(image=file(), prompt="seven", quality="low")
            assert decoded(here).tolist() == decoded(far).tolist()
            assert service.receipts()[-1]["paced"] is True  # the worker's pace is passed on
            assert service.receipts()[-1]["speed"] == device["speed"]


WRONG = {
    "no file": ({"prompt": "4"}, "image", "image must be a file"),
    "not base64": ({"prompt": "4", "image": "???"}, "image", "image must be a file"),
    "a number": ({"prompt": "4", "image": 3}, "image", "image must be a file"),
    "too many": ({"prompt": "4", "image": ["AAAA"] * 17}, "image", "at most 16 files; got 17"),
    "no prompt": ({"image": "AAAA"}, "prompt", "prompt must be a text"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_field_is_named(case):
    content, param, message = WRONG[case]
    with pytest.raises(APIError, match=message) as caught:
        read_edit(content, 10, GatewayTable(), {"low": 0})
    assert (caught.value.status, caught.value.param) == (400, param)


def test_what_a_back_end_cannot_edit_is_the_fault_of_the_request(shared):
    text = base64.b64encode(b"GIF89a").decode()
    status, _, body = shared.send("/v1/images/edits", {"prompt": "4", "image": text})
    assert status == 400
    assert "grey PNG" in body["error"]["message"]
    assert shared.backend("device")["breaker"] == "closed"
    content = {"prompt": "4", "image": base64.b64encode(FILE).decode(), "size": "24x24"}
    status, _, body = shared.send("/v1/images/edits", content)
    assert status == 400
    assert "size must be that of the image, 16x16" in body["error"]["message"]


def test_a_form_becomes_the_fields_of_json():
    body = (
        b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n4\r\n'
        b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n2\r\n'
        b'--x\r\nContent-Disposition: form-data; name="edgewright[charge_pct]"\r\n\r\n40.5\r\n'
        b'--x\r\nContent-Disposition: form-data; name="image[]"; filename="a"\r\n\r\n\x89A\r\n'
        b'--x\r\nContent-Disposition: form-data; name="image[]"; filename="b"\r\n\r\nB\r\n--x--\r\n'
    )
    assert parse_form(body, "multipart/form-data; boundary=x") == {
        "prompt": "4", "n": 2, "edgewright": {"charge_pct": 40.5}, "image": [b"\x89A", b"B"],
    }  # fmt: skip
    for wrong in ("multipart/form-data", "multipart/form-data; boundary=y"):
        with pytest.raises(APIError) as caught:
            parse_form(body, wrong)
        assert caught.value.status == 400
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    with pytest.raises(APIError, match="at most 64 parts"):
        parse_form(part * 65 + b"--x--\r\n", "multipart/form-data; boundary=x")


def test_the_size_of_a_file_is_read_from_its_head():
    assert png_size(FILE) == (16, 16)
    assert png_size(b"GIF89a") is None
    assert png_size(FILE[:20]) is None
