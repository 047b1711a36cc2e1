"""Plug-ins named in the environment: several, and with blanks in their paths."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_several_plug_ins_with_blanks_in_their_paths(tmp_path: Path) -> None:
    folder = tmp_path / "my plug ins"
    folder.mkdir()
    files = []
    for name in ("first", "second"):
        files.append(folder / f"{name} one.py")
        files[-1].write_text(
            "from edgewright.agents.dqn import DQN\n"
            "from edgewright.scenarios.learners import register_learner\n"
            f"register_learner('{name}', DQN)\n"
        )
    names = os.pathsep.join(map(str, files))
    done = subprocess.run(
        [sys.executable, "-m", "edgewright", "list", "--json"],
        env={**os.environ, "EDGEWRIGHT_PLUGINS": names},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["learners"][-2:] == ["first", "second"]
