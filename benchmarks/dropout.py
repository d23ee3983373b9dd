"""Training steps of small_cnn with dropout by random bytes against those with torch's dropout.

Usage: python -m benchmarks.dropout [--json FILE]

Both are the same network on the same batch, on one thread; processor seconds.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

from benchmarks.timing import Pair, cpu_seconds, side_by_side
from equipoise.atomic import write_json
from equipoise.experiments.running.environment import machine, versions
from equipoise.networks.backbones import build
from equipoise.networks.dropout import ByteDropout
from equipoise.training.devices import PRECISIONS, autocast

BATCH, SIDE, N_STEPS = 32, 64, 5


def measure() -> Iterator[Pair]:
    for precision in PRECISIONS:
        yield side_by_side(
            f"small_cnn step, {precision}",
            steps(precision, ByteDropout),
            steps(precision, nn.Dropout),
            unit="steps/s",
            note=f"batch {BATCH}, {SIDE} px, load {os.getloadavg()[0]:.1f}; torch's dropout",
            clock=cpu_seconds,
        )


def steps(precision: str, dropout: Callable[[float], nn.Module]) -> Callable[[], int]:
    """Return what makes some training steps."""
    torch.manual_seed(0)
    network = build("small_cnn", channels=1, n_classes=2, side=SIDE)
    assert isinstance(network, nn.Sequential)
    for number, layer in enumerate(list(network)):
        if isinstance(layer, nn.Dropout):
            network[number] = dropout(layer.p)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images, labels = torch.rand(BATCH, 1, SIDE, SIDE), torch.arange(BATCH) % 2
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    in_precision = autocast(precision, torch.device("cpu"))

    def run() -> int:
        for _ in range(N_STEPS):
            with in_precision():
                loss = nn.functional.cross_entropy(network(images).float(), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return N_STEPS

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pairs = []
    for pair in measure():
        print(pair.row(), flush=True)
        pairs.append(pair.facts())
    if arguments.json:
        facts = {"command": "python -m benchmarks.dropout", "machine": machine()}
        write_json(arguments.json, {**facts, "versions": versions(), "pairs": pairs})


if __name__ == "__main__":
    main()
