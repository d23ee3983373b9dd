"""Seed each fault of `faults.toml` into a copy of the source and run its tests there.

    python -m tests.mutations.run                  all faults; writes docs/results/mutations.json
    python -m tests.mutations.run losses gan.py    only files whose path holds one of the words;
    writes nothing

Ends with 1 where a fault is missed. A fault counts as caught when a test fails on it; a fault that
keeps the tests from being collected, or hangs them, proves nothing about them and is an error of
the list.
"""
# ruff: noqa: T201

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.mutations.faults import ROOT, Fault, read_faults

from equipoise.atomic import write_json

RESULTS = ROOT / "docs" / "results" / "mutations.json"
SECONDS = 300  # that the tests of one fault may take
FAILED = re.compile(r"^(?:FAILED|ERROR) tests/(\S+)", re.MULTILINE)


def main(words: Sequence[str]) -> int:
    """Run the faults whose file holds one of the words, or all."""
    faults = [
        fault for fault in read_faults() if not words or any(word in fault.file for word in words)
    ]
    with copied_tree() as tree:
        check_sound(tree, faults)
        rows = [run_fault(tree, fault) for fault in faults]
    missed = [row["breaks"] for row in rows if not row["caught"]]
    print(f"{len(rows) - len(missed)} of {len(rows)} faults caught.")
    if not words:
        summary = {
            "command": "python -m tests.mutations.run",
            "faults": len(rows),
            "missed": missed,
            "runs": rows,
        }
        write_json(RESULTS, summary)
    return int(bool(missed))


def check_sound(tree: Path, faults: Sequence[Fault]) -> None:
    """Refuse to begin where a test fails without any fault.

    Raises:
        RuntimeError: Shows the failures.
    """
    code, output = run_tests(
        tree, sorted({test for fault in faults for test in fault.tests}), seconds=10 * SECONDS
    )
    if code != 0:
        raise RuntimeError(f"The tests fail without a fault:\n{output}")


def run_fault(tree: Path, fault: Fault) -> dict[str, object]:
    """Seed one fault, run its tests, take it out again.

    Raises:
        RuntimeError: The tests could not be collected or did not end.
    """
    start = time.perf_counter()
    before = fault.apply(tree)
    try:
        code, output = run_tests(tree, fault.tests)
    finally:
        fault.undo(tree, before)
    if code not in (0, 1):
        raise RuntimeError(f"{fault.file}, {fault.breaks}: pytest ended with {code}.\n{output}")
    seconds = round(time.perf_counter() - start, 1)
    noticed = FAILED.findall(output)
    print(
        f"{'caught' if code else 'MISSED'}  {seconds:5.1f} s  {fault.file}: {fault.breaks}",
        flush=True,
    )
    row = {
        "file": fault.file,
        "breaks": fault.breaks,
        "caught": code == 1,
        "by": noticed[0] if noticed else None,
    }
    return {**row, "seconds": seconds}


def run_tests(tree: Path, tests: Sequence[str], seconds: float = SECONDS) -> tuple[int, str]:
    """Run tests on the tree's own source until one fails; return pytest's exit code and output."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-rfE",
        "--tb=line",
        "-m",
        "not slow",
        "-p",
        "no:cacheprovider",
    ]
    paths = [f"tests/{test}" for test in tests]
    # no bytecode: a fault of the same length in the same second would go unseen behind it
    settings = {
        "PYTHONPATH": str(tree / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [*command, *paths],
        cwd=tree,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@contextmanager
def copied_tree() -> Iterator[Path]:
    """Copy what the tests need into a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        tree = Path(folder)
        for name in ("src", "tests"):
            shutil.copytree(
                ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        shutil.copy(ROOT / "pyproject.toml", tree)
        yield tree


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
