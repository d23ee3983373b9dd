"""The scripts of `examples/` run as they are, each in a process and a folder of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

import equipoise as eq

EXAMPLES = Path(__file__).parents[1] / "examples"
METHODS = {
    "many_class_cells": ["none", "balanced_softmax", "oversampling"],
    "own_method": ["none", "oversampling", "shifts"],
    "two_class_films": ["none", "class_weights", "oversampling"],
    "volumes": ["random", "balanced"],
}


def run_example(name: str, folder: Path) -> str:
    """Run a script in a folder and return what it printed."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_script_is_run() -> None:
    scripts = {path.stem for path in EXAMPLES.glob("*.py")}
    assert scripts == {*METHODS, "own_loop", "synthetic_images"}


def test_scripts_are_short() -> None:
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 65, path.name


@pytest.mark.parametrize("name", METHODS)
def test_a_study_writes_its_report(name: str, tmp_path: Path) -> None:
    run_example(name, tmp_path)
    run = eq.open_run(tmp_path / "runs" / name)
    results = eq.summarize_run(run)
    assert [method.method for method in results.methods] == METHODS[name]
    assert results.n_missing == 0
    assert not results.failures
    assert (tmp_path / "runs" / name / "report.html").stat().st_size > 10_000


def test_a_loop_of_one_s_own_prints_two_metrics(tmp_path: Path) -> None:
    lines = run_example("own_loop", tmp_path).splitlines()
    values = [float(line.split()[-1]) for line in lines]
    assert len(values) == 2
    assert all(0 <= value <= 1 for value in values)


def test_copies_of_training_images_are_refused(tmp_path: Path) -> None:
    lines = run_example("synthetic_images", tmp_path).splitlines()
    statuses = {line.split(":")[0]: line.split()[1] for line in lines if ":" in line}
    assert statuses["copies"] == "refused"
    assert statuses["privacy"] == "not"  # tested: too few patients
    assert lines[-1] == "the same images: True"
