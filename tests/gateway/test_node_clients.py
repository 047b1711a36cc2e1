"""OpenAI's package for JavaScript and the AI SDK, unmodified; they must be on NODE_PATH.

npm install openai@6.49.0 ai@6.0.326 @ai-sdk/openai-compatible@2.0.92 @ai-sdk/openai@3.0.141
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgewright.gateway.backends import png

PACKAGES = ("openai", "ai", "@ai-sdk/openai-compatible", "@ai-sdk/openai")
FOLDERS = [Path(one) for one in os.environ.get("NODE_PATH", "").split(os.pathsep) if one]
MISSING = [one for one in PACKAGES if not any((folder / one).is_dir() for folder in FOLDERS)]


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
@pytest.mark.skipif(bool(MISSING), reason=f"NODE_PATH has no {', '.join(MISSING)}")
def test_1_packages_for_javascript_work_unmodified(gateway, device, tmp_path):
    text = {
        "name": "text", "kind": "text", "location": 0, "candidates": [1, 2, 3], "step_ms": 2.0,
    }  # fmt: skip
    file = tmp_path / "one.png"
    file.write_bytes(png.encode(np.zeros((64, 64), np.uint8)))
    script = Path(__file__).with_name("clients.cjs")
    with gateway(backend=[device, text]) as service:
        command = ["node", str(script), service.url, str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    own = got["openai"]
    assert own["quality"] in ("low", "medium", "high")
    assert own["events"] == ["image_generation.partial_image", "image_generation.completed"]
    assert (own["edited"], own["both"]) == (1, 1)
    assert {"auto", "device", "text"} <= {*own["models"]}
    assert own["chat"]
    assert own["streamed"]
    assert own["tokens"] > 0
    assert own["bytes"] > 1000
    for name in ("compatible", "official"):
        assert got[name]["bytes"] > 1000
        assert got[name]["text"]
        assert got[name]["streamed"]
