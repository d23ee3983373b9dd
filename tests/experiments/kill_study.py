"""A small study in a process that is killed: FOLDER LOG N_SEEDS N_WORKERS [STEPS ...].

Checkpoints are saved as often as they can be, and every step is a line in the log. For each STEPS a
process begins the study and sends itself SIGKILL after so many steps of its own, and so at the same
moment on every machine; then one ends it. These processes are forks of one that has imported
everything and trained nothing, because importing takes longer than training here.
"""

import os
import signal
import sys
import unittest.mock
from itertools import count
from typing import Any

import numpy as np

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running.executors import default_executor
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.training import loop
from equipoise.training.checkpoint import Checkpoint

BUDGET = Budget(
    n_steps=20,
    batch_size=8,
    learning_rate=1e-2,
    gan_steps=40,
    gan_batch_size=8,
    gan_channels=4,
    device="cpu",
)


def make_real_study(n_seeds: int) -> Study:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [60, 40]).astype(np.int64)
    noise = rng.normal(0, 40, size=(len(labels), 1, 16, 16))
    dataset = ImageDataset(
        images=np.clip(noise + 90 + 40 * labels[:, None, None, None], 0, 255).astype(np.uint8),
        labels=labels,
        class_names=("dark", "bright"),
        groups=np.arange(len(labels), dtype=np.int64),
        ids=np.array([f"image-{i:03d}" for i in range(len(labels))]),
    )
    methods = build_methods(["dcgan", "cdcgan"], BUDGET)
    splits = hold_out(dataset, n_splits=1)
    return Study(
        name="killed", dataset=dataset, splits=splits, methods=methods, seeds=range(n_seeds)
    )


def log_steps(path: str, last: int | None) -> None:
    """Log each step, save a checkpoint wherever one may be saved, and die after the `last` step."""
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    steps = count(1)

    def report(*progress: Any) -> None:
        os.write(log, (",".join(map(str, (os.getpid(), *progress))) + "\n").encode())
        if next(steps) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    unittest.mock.patch.object(loop, "report", report).start()
    unittest.mock.patch.object(Checkpoint, "due", return_value=True).start()


def begin(folder: str, log: str, n_seeds: int, n_workers: int, last: int | None) -> None:
    """Run the study, or begin it and die after the `last` step."""
    log_steps(log, last)
    executor = default_executor("cpu", workers=n_workers)
    run_study(make_real_study(n_seeds), folder, executor=executor)


def main(folder: str, log: str, n_seeds: str, n_workers: str, *deaths: str) -> None:
    """Begin the study once for each death, then run it to its end."""
    for last in deaths:
        child = os.fork()
        if not child:
            begin(folder, log, int(n_seeds), int(n_workers), int(last))
            os._exit(0)  # not killed, which the parent notices
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit(f"Expected a process that kills itself after {last} steps, got {status}.")
    begin(folder, log, int(n_seeds), int(n_workers), None)


if __name__ == "__mp_main__":  # worker processes log too
    log_steps(sys.argv[2], None)
if __name__ == "__main__":
    main(*sys.argv[1:])
