"""A small default study with the sources of another checkout and with these, in turns.

Usage: python -m benchmarks.checkouts CHECKOUT [--rounds 5] [--json FILE]

Two methods, one cell each, 400 drawn films of 64 px, 100 steps, one thread: processor seconds of
forecast, training and saving, in a process for each run. CHECKOUT is a working tree of an earlier
commit (git worktree add --detach FOLDER COMMIT).
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from equipoise.atomic import write_json
from equipoise.experiments.running.environment import machine, versions

ROOT = Path(__file__).parents[1]
STUDY = """
import tempfile, time
from pathlib import Path
import torch
from equipoise.data.images.options import Loaded
from equipoise.data.phantoms.datasets import chest_films
from equipoise.experiments.image_plan import plan_study
from equipoise.experiments.protocol import Budget, Protocol
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study

torch.set_num_threads(1)
films = Loaded(dataset=chest_films((320, 80), size=64, seed=0))
methods = ("none", "class_weights")
protocol = Protocol(methods=methods, n_splits=1, n_seeds=1, duplicates="merge")
study = plan_study(films, protocol, Budget(n_steps=100, device="cpu"), name="films")
started = time.process_time()
with tempfile.TemporaryDirectory() as folder:
    run_study(study, Path(folder) / "run", executor=InProcess())
print(time.process_time() - started)
"""


def seconds_of(checkout: Path) -> float:
    """Run the study with the sources of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", STUDY], env=environment, check=True, capture_output=True, text=True
    )
    return float(done.stdout.splitlines()[-1])


def commit_of(checkout: Path) -> str:
    """Return the commit that a checkout is at."""
    done = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    before, now = [], []
    for _ in range(arguments.rounds):
        before.append(round(seconds_of(arguments.checkout), 2))
        now.append(round(seconds_of(ROOT), 2))
        print(f"before {before[-1]:.2f} s, now {now[-1]:.2f} s", flush=True)
    ratio = statistics.median(b / a for b, a in zip(before, now, strict=True))
    print(f"before / now, median of {len(now)} rounds: {ratio:.2f}")
    if arguments.json:
        commits = {"before": commit_of(arguments.checkout), "now": commit_of(ROOT)}
        facts = {"command": "python -m benchmarks.checkouts CHECKOUT", "machine": machine()}
        seconds = {"before": before, "now": now, "ratio": round(ratio, 3)}
        load = round(os.getloadavg()[0], 1)
        write_json(
            arguments.json,
            {**facts, "versions": versions(), "commits": commits, "seconds": seconds, "load": load},
        )


if __name__ == "__main__":
    main()
