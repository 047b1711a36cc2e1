"""Give every input of the field to the command line, and print what became of it as a table.

    python tests/cases/table.py [FOLDER ...]

Scenario texts (``.toml``) are compared with, everything else is inspected as a recording or bundle.
An outcome is ``read`` or ``refused``; anything else (a traceback, no message, no end) is a fault.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
FOLDERS = (HERE / "texts", HERE.parent / "streams" / "recordings")
SECONDS = 120.0
SMALL = ("params.horizon_slots=4", 'evaluation.reference="random"', 'evaluation.baseline="random"')
PLAY = (
    "--policies",
    "random",
    "--episodes",
    "2",
    *(word for key in SMALL for word in ("--set", key)),
)
PROGRAMS = {".py", ".sh", ".md"}


@dataclasses.dataclass(frozen=True)
class Case:
    """One input, what became of it, and the first line that was said."""

    path: Path
    outcome: str
    said: str

    @property
    def is_fault(self) -> bool:
        """Whether it ended in another way than a result or one message."""
        return self.outcome not in ("read", "refused")


def inputs(folders: Sequence[Path]) -> Iterator[Path]:
    """Yield every file that is not a program."""
    for folder in folders:
        yield from sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in PROGRAMS)


def tried(path: Path) -> Case:
    """Give one input to the command line."""
    words = ["compare", str(path), *PLAY] if path.suffix == ".toml" else ["inspect", str(path)]
    command = [sys.executable, "-m", "edgewright", *words]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Case(path, "hang", f"no end after {SECONDS:.0f} s")
    error, result = (text.decode(errors="replace").strip() for text in (done.stderr, done.stdout))
    said = ((result if done.returncode == 0 else error) or "nothing").splitlines()
    if "Traceback" in error:
        return Case(path, "traceback", said[-1])
    if done.returncode == 2 and error.startswith(("error:", "Usage:")):
        return Case(path, "refused", said[0])
    if done.returncode == 0:
        return Case(path, "read", said[0])
    return Case(path, f"exit code {done.returncode}", said[0])


def main(folders: Sequence[Path]) -> int:
    """Print the table; return how many faults it holds."""
    cases = [tried(path) for path in inputs(folders)]
    for case in cases:
        name, said = "/".join(case.path.parts[-2:]), case.said.replace(str(case.path), "...")
        print(f"{case.outcome:10} {name:44} {said}")
    faults = [case for case in cases if case.is_fault]
    read = sum(case.outcome == "read" for case in cases)
    refused = len(cases) - read - len(faults)
    print(f"{len(cases)} inputs: {read} read, {refused} refused, {len(faults)} faults")
    return len(faults)


if __name__ == "__main__":
    sys.exit(main([Path(word) for word in sys.argv[1:]] or FOLDERS))
