"""The table of acceptance checks names all of them, and tests and programs that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$",
    (ROOT / "docs/reference/acceptance.md").read_text(),
    re.MULTILINE,
)


def test_all_checks_are_there():
    assert [int(number) for number, _ in ROWS] == [*range(1, 32)]


def test_every_test_and_program_exists():
    for number, shown in ROWS:
        words = re.findall(r"`([^`]+)`", shown)
        files = [word.partition("::") for word in words if ".py" in word or ".cjs" in word]
        programs = [word for word in words if word.startswith(("edgewright ", "make "))]
        assert files or programs, number
        for file, _, test in files:
            path = ROOT / (file.split()[0] if file.startswith("benchmarks/") else f"tests/{file}")
            assert path.is_file(), (number, file)
            assert not test or f"def {test}(" in path.read_text(), (number, test)
        for prefix in (word for word in words if word.endswith("_*")):
            texts = [(ROOT / "tests" / file).read_text() for file, *_ in files]
            assert any(f"def {prefix[:-1]}" in text for text in texts), (number, prefix)
        makefile = (ROOT / "Makefile").read_text()
        for word in programs:
            if word.startswith("make "):
                assert f"\n{word.split()[1]}:" in makefile, (number, word)
