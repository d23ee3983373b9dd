"""Run all benchmarks; `--json FILE` also writes numbers, command and machine."""

import argparse
import platform
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks import (
    adversarial_step,
    allocator,
    audit,
    data_path,
    evidence,
    features,
    fidelity,
    frozen,
    patch_sampling,
    startup,
    training_loop,
)
from benchmarks.timing import Pair
from equipoise.atomic import write_json
from equipoise.experiments.running.environment import available_cores, versions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    torch.set_num_threads(available_cores())
    pairs = []
    for pair in measure():
        print(pair.row(), flush=True)
        pairs.append(pair.facts())
    if arguments.json:
        machine = {
            "cores": available_cores(),
            "threads": torch.get_num_threads(),
            "python": platform.python_version(),
        }
        facts = {
            "command": "python -m benchmarks",
            "machine": machine,
            "versions": versions(),
            "pairs": pairs,
        }
        write_json(arguments.json, facts)


def measure() -> Iterator[Pair]:
    yield training_loop.measure("small_cnn", 100)
    yield training_loop.measure("resnet18", 8)
    yield from data_path.measure()
    yield adversarial_step.measure(32, 32, 64)
    yield adversarial_step.measure(64, 64, 32)
    yield startup.measure()
    yield audit.measure()
    yield from fidelity.measure()
    yield from evidence.measure()
    yield from patch_sampling.measure()
    yield from frozen.measure()
    yield from allocator.measure()
    yield from map(features.measure, features.present())


if __name__ == "__main__":
    main()
