"""`equipoise run --executor ray` to the end, through Ctrl-C and kill -9; needs Ray (`make ray`)."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'equipoise[ray]'")

Call = Callable[..., tuple[int, str, str]]
MAIN = "from equipoise.cli.app import main; main()"
STUDY = (
    *("--size", 32, "--methods", "none,oversampling", "--seeds", 1, "--splits", 3),
    *("--steps", 20, "--groups", r"patient(\d+)", "--device", "cpu"),
)
N_CELLS = 6

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")


def finished(out: Path) -> list[Path]:
    return sorted(out.glob("cells/*/*/seed-*/record.json"))


def start(command: Sequence[object], n_finished: int) -> tuple[psutil.Popen, list[psutil.Process]]:
    """Start a run and return it with the processes of Ray, once so many cells are finished."""
    words = [sys.executable, "-c", MAIN, *map(str, command), "--executor", "ray", "--workers", "2"]
    out = Path(words[words.index("--out") + 1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    driver = psutil.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while len(finished(out)) < n_finished and driver.poll() is None:
        time.sleep(0.01)
    return driver, driver.children(recursive=True) if driver.poll() is None else []


def others_than_agents(of_ray: Sequence[psutil.Process]) -> list[str]:
    """Return what still runs but agents, which try for a minute to report before they end."""
    commands = []
    for process in of_ray:
        with suppress(psutil.NoSuchProcess):
            command = " ".join(process.cmdline())  # empty of one that has ended
            if command and "agent" not in command.lower():
                commands.append(command)
    return commands


def test_a_run_on_ray_ends_in_the_same_bytes_through_ctrl_c_and_kill(
    call: Call, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_worker_niceness", "0")
    here, out = tmp_path / "here", tmp_path / "run"
    command = ("run", films, *STUDY, "--out", out)
    assert call("run", films, *STUDY, "--out", here, "--workers", 1)[0] == 0

    driver, of_ray = start(command, 1)
    driver.send_signal(signal.SIGINT)
    printed, _ = driver.communicate()
    assert driver.returncode == 130, printed.decode()
    assert b"Stopped." in printed
    assert not psutil.wait_procs(of_ray, timeout=20)[1]
    n_after_ctrl_c = len(finished(out))
    assert 1 <= n_after_ctrl_c < N_CELLS

    driver, of_ray = start(command, n_after_ctrl_c + 1)
    driver.suspend()
    code, _, error = call(*command, "--workers", 1)
    assert code == 2
    assert "Another process writes" in error
    driver.kill()
    driver.communicate()
    until = time.monotonic() + 20
    while (left := others_than_agents(of_ray)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not left
    for agent in filter(psutil.Process.is_running, of_ray):
        agent.kill()
    assert n_after_ctrl_c < len(finished(out)) < N_CELLS

    driver, of_ray = start(command, N_CELLS)
    printed, _ = driver.communicate()
    assert driver.returncode == 0, printed.decode()
    assert not psutil.wait_procs(of_ray, timeout=20)[1]
    compared = [*here.glob("*.csv"), *here.rglob("predictions.npz"), *here.rglob("history.csv")]
    names = [path.relative_to(here) for path in compared if path.name != "costs.csv"]
    assert Path("table.csv") in names
    assert len(list(here.rglob("predictions.npz"))) == N_CELLS
    for name in names:
        assert (out / name).read_bytes() == (here / name).read_bytes(), name
