"""What each generator costs at 32 px: seconds to train and to make 1,000 images, peak memory.

Usage: python -m benchmarks.generators [--device cpu] [--json FILE] [NAME ...]

Every generator is measured in a process of its own. Training seconds are for the share of the
budget that is run here, scaled to the whole: all generators make the same number of network updates
(`Budget.updates`).
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from equipoise.atomic import write_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.phantoms.datasets import chest_films
from equipoise.experiments.methods import generative
from equipoise.experiments.methods.catalogue import METHODS
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running.environment import available_cores, machine, versions
from equipoise.experiments.running.peak_memory import PeakMemory
from equipoise.resampling.base import Oversampler

COUNTS, SIDE, N_MADE = (400, 100), 32, 1000
BUDGET = Budget(gan_steps=600)
SAME = {
    "cdcgan_mix",
    "cdcgan_half",
    "cdcgan_crt",
    "vae_transfer",
}  # the generators of cdcgan and vae
NAMES = [method.name for method in generative.METHODS if method.balance and method.name not in SAME]
SHORT, LONG = 12, 60  # rounds of the two fits whose difference is the training


def measure(name: str, device: str) -> dict[str, Any]:
    """Fit twice, a little and a little longer, then make images."""
    import torch

    torch.set_num_threads(available_cores())
    images = chest_films(COUNTS, size=SIDE, seed=0)
    with PeakMemory() as memory:
        _fit(
            name, images, SHORT, device
        )  # the first fit also pays for what later ones find in place
        _, few = _fit(name, images, SHORT, device)
        fitted, many = _fit(name, images, LONG, device)
        start = perf_counter()
        made = fitted.generate(np.ones(N_MADE, dtype=np.int64))
        seconds = perf_counter() - start
    return {
        "name": name,
        "training_seconds": round((many - few) / (LONG - SHORT) * BUDGET.gan_steps, 1),
        "seconds_per_1000_images": round(seconds * 1000 / len(made), 2),
        "peak_memory_mb": round(memory.megabytes),
        "peak_device_memory_mb": memory.device_megabytes and round(memory.device_megabytes),
    }


def _fit(name: str, images: ImageDataset, rounds: int, device: str) -> tuple[Oversampler, float]:
    balance = METHODS[name].balance
    assert balance is not None
    oversampler = balance(replace(BUDGET, gan_steps=rounds, device=device))
    assert isinstance(oversampler, Oversampler)
    start = perf_counter()
    return oversampler.fit(images.images, images.labels), perf_counter() - start


def rows(names: list[str], device: str) -> Iterator[dict[str, Any]]:
    for name in names:
        command = [sys.executable, "-m", "benchmarks.generators", "--device", device, "--one", name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{row['name']:<22} training {row['training_seconds']:>7.1f} s   1,000 images "
            f"{row['seconds_per_1000_images']:>6.2f} s   peak {row['peak_memory_mb']:>6} MB",
            flush=True,
        )
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--one", help="measure one generator and print it as JSON")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.device)))
        return
    found = list(rows(arguments.names, arguments.device))
    if arguments.json:
        facts = {
            "command": "python -m benchmarks.generators",
            "updates": BUDGET.updates,
            "side": SIDE,
        }
        write_json(
            arguments.json,
            {**facts, "machine": machine(), "versions": versions(), "generators": found},
        )


if __name__ == "__main__":
    main()
