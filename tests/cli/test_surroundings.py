"""What surrounds a command: no home, no device, no output, a place that cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgewright.core import compilation
from edgewright.core.errors import InputError
from edgewright.core.files import check_writable

COMPARE = (sys.executable, "-m", "edgewright", "compare", "aigc-toy", "--episodes", "2",
           "--policies", "greedy", "--set", "params.horizon_slots=20", "--json")  # fmt: skip


def run(*more: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
    changed = {**os.environ, **variables}
    environment = {name: value for name, value in changed.items() if value is not None}
    return subprocess.run(
        [*COMPARE, *more], env=environment, capture_output=True, text=True, check=False
    )


COMPILE = """
from edgewright.core.compilation import keep_compilations
import jax, jax.numpy as jnp
keep_compilations()
def sine(x):
    return 3 * jnp.sin(x)
jax.jit(sine)(1.0)
"""


@pytest.mark.parametrize(
    ("variables", "more", "said"),
    [
        ({"JAX_PLATFORMS": "cuda"}, (), "JAX finds no device for JAX_PLATFORMS='cuda'"),
        ({"JAX_PLATFORMS": "bogus"}, (), "hint: unset it, or give cpu"),
        ({"EDGEWRIGHT_CACHE": "/etc/passwd/x"}, (), "EDGEWRIGHT_CACHE: /etc/passwd must be a fold"),
        ({}, ("--out", "/etc/passwd/x"), "--out: /etc/passwd must be a folder; it is a file"),
    ],
)
def test_what_cannot_work_is_refused_before_the_work(variables, more, said) -> None:
    done = run(*more, **variables)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_closed_output_is_refused_and_a_closed_pipe_is_not_an_error() -> None:
    command = " ".join(f"'{word}'" for word in COMPARE)
    closed = subprocess.run(f"{command} >&-", shell=True, capture_output=True, text=True)
    assert closed.returncode == 2
    assert "standard output is closed" in closed.stderr
    cut = subprocess.run(f"{command} | head -c 1", shell=True, capture_output=True, text=True)
    assert cut.stdout == "{"
    assert "Traceback" not in cut.stderr


def test_without_a_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("EDGEWRIGHT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert compilation.cache_folder() is None
    monkeypatch.setattr(Path, "home", lambda: Path("/etc/passwd"))  # not a folder
    assert compilation.cache_folder() is None
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    folder = compilation.cache_folder()
    assert folder is not None
    assert folder.is_relative_to(tmp_path / ".cache" / "edgewright")
    assert not folder.exists()  # made when something is kept


def test_each_kind_of_processor_keeps_its_own_programs(tmp_path: Path) -> None:
    names = []
    for flags in ("fma avx2", "fma avx2 avx512f", "fma avx2"):
        cpuinfo = tmp_path / "cpuinfo"
        core = f"model name : x\nflags : {flags}\ncpu MHz : {len(names)}\n"
        cpuinfo.write_text("".join(f"processor : {i}\n{core}" for i in range(2)))
        names.append(compilation.processor_name(cpuinfo))
    assert names[0] == names[2] != names[1]
    assert compilation.processor_name(tmp_path / "none") not in names


def test_a_program_from_the_cache_says_nothing(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    environment["EDGEWRIGHT_CACHE"] = str(tmp_path)
    command = [sys.executable, "-c", COMPILE]
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
    assert any(file.is_file() for file in tmp_path.rglob("jit_sine*"))


def test_a_place_is_looked_at_without_being_made(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b", "--out")
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").touch()
    check_writable(tmp_path / "file", "--out", folder=False)
    for wrong in (tmp_path, Path("")):
        with pytest.raises(InputError, match="must be the name of a file"):
            check_writable(wrong, "--out", folder=False)
    with pytest.raises(InputError, match="must be a folder; it is a file"):
        check_writable(tmp_path / "file", "--out")
    with pytest.raises(InputError, match=r"--out: .*file must be a folder; it is a file"):
        check_writable(tmp_path / "file" / "b", "--out")
    with pytest.raises(InputError, match="must not hold a null byte"):
        check_writable(Path("a\0b"), "--out")
