"""kill -9 at random moments, then the same command: same bytes, little trained twice."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.results.image_tables import summarize, write_image_tables
from equipoise.runs.cell_record import ImageCellRecord
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore

SCRIPT = Path(__file__).with_name("kill_study.py")
CHANGING = ("seconds", "resumed", "peak_memory_mb")  # of a record; everything else must be the same
STEPS_PER_SEED, LONGEST_FIT = 2 * (20 + 40), 40
PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Command:
    """The command that is killed and repeated."""

    folder: Path
    n_seeds: int
    n_workers: int

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")

    def start(self, *more: int) -> "subprocess.Popen[bytes]":
        arguments = [self.folder, self.log, self.n_seeds, self.n_workers, *more]
        return subprocess.Popen([sys.executable, "-W", "error", SCRIPT, *map(str, arguments)])

    def steps(self) -> list[tuple[int, str, int]]:
        """Read (process, fit, step) of every step that was trained, in order."""
        rows = (
            (line.split(",") for line in self.log.read_text().splitlines())
            if self.log.exists()
            else ()
        )
        return [(int(process), fit, int(step)) for process, fit, step, _ in rows]

    def kill_after(self, n_steps: int, delay: float) -> None:
        """Run until that many more steps are trained and a moment has passed; then kill -9."""
        goal, until = len(self.steps()) + n_steps, time.monotonic() + PATIENCE_SECONDS
        with self.start() as process:
            while len(self.steps()) < goal and process.poll() is None:
                assert time.monotonic() < until, "the run makes no steps"
                time.sleep(0.002)
            time.sleep(delay)
            os.kill(process.pid, signal.SIGKILL)

    def finish(self, *deaths: int) -> None:
        """Run to the end, after a process for each of `deaths` that dies after so many steps."""
        with self.start(*deaths) as process:
            assert process.wait(PATIENCE_SECONDS) == 0

    def n_resumed(self) -> int:
        """Count the fits that resumed from a checkpoint."""
        last: dict[int, tuple[str, int]] = {}
        n = 0
        for process, fit, step in self.steps():
            n += step > 1 and last.get(process) != (fit, step - 1)
            last[process] = (fit, step)
        return n


def results(folder: Path) -> dict[str, Any]:
    """Read everything that must be the same with and without a kill."""
    store = RunStore(folder)
    write_image_tables(summarize(open_run(folder)), folder)
    names = (
        "predictions.npz",
        "history.csv",
        "synthetic.npz",
        "classifier/model.safetensors",
        "classifier/model.json",
    )
    contents: dict[str, Any] = {
        name: (folder / name).read_bytes() for name in ("table.csv", "comparisons.csv")
    }
    for cell in open_run(store.folder).cells:
        record = store.record(cell)
        assert isinstance(record, ImageCellRecord)
        assert record.diversity[1] > 0  # of the class that needs more images
        values = record.to_json()
        contents[str(cell)] = {key: values[key] for key in values.keys() - CHANGING}
        files = [
            store.cell_folder(cell) / name
            for name in names
            if (store.cell_folder(cell) / name).exists()
        ]
        contents |= {f"{cell}, {path.name}": path.read_bytes() for path in files}
    return contents


@pytest.fixture
def undisturbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """Return a function that runs the same study to its end in this process."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    script = importlib.import_module("kill_study")

    def run(n_seeds: int) -> Path:
        run_study(
            script.make_real_study(n_seeds), RunStore(tmp_path / "whole"), executor=InProcess()
        )
        return tmp_path / "whole"

    return run


def check(command: Command, whole: Path, n_kills: int) -> None:
    """Compare the results; repeated work is bounded, and at least one fit resumed."""
    assert results(command.folder) == results(whole)
    repeated = len(command.steps()) - command.n_seeds * STEPS_PER_SEED
    assert repeated <= n_kills * command.n_workers * LONGEST_FIT
    assert command.n_resumed() >= 1
    assert not [path for path in command.folder.rglob(".*") if path.name != ".lock"]


def test_three_kills_change_nothing(undisturbed: Callable[[int], Path], tmp_path: Path) -> None:
    command = Command(tmp_path / "killed", n_seeds=1, n_workers=1)
    # in the middle of the first generator, in its classifier, in the second generator
    command.finish(15, 45, 35)
    assert len({process for process, _, _ in command.steps()}) == 4
    check(command, undisturbed(1), n_kills=3)


@pytest.mark.slow
@pytest.mark.parametrize("n_workers", [1, 2])
def test_ten_kills_change_nothing(
    undisturbed: Callable[[int], Path], tmp_path: Path, n_workers: int
) -> None:
    command, n_kills, rng = (
        Command(tmp_path / "killed", n_seeds=4, n_workers=n_workers),
        10,
        np.random.default_rng(0),
    )
    for _ in range(n_kills):
        n_steps = int(rng.integers(0, command.n_seeds * STEPS_PER_SEED // n_kills))
        command.kill_after(n_steps, delay=float(rng.choice([0.0, rng.uniform(0, 0.3)])))
    command.finish()
    check(command, undisturbed(4), n_kills)
