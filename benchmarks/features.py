"""Feature extraction on one thread: images of 64 px per second, against the bare network.

Usage: python -m benchmarks.features [--json FILE] [NAME ...]

The reference is the same network on batches that lie ready as float32. Extractors whose weights are
not in the folder $EQUIPOISE_WEIGHTS are left out, and so is "classifier", whose cost is that of its
network.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks.timing import Pair, side_by_side
from equipoise.arrays import Images
from equipoise.atomic import write_json
from equipoise.data.phantoms.datasets import chest_films
from equipoise.experiments.running.environment import machine, versions
from equipoise.features.base import STEP, extract
from equipoise.features.choosing import find_weights, make_extractor
from equipoise.features.network import NetworkExtractor
from equipoise.features.table import EXTRACTORS
from equipoise.networks.weight_files import FOLDER

SIDE = 64
N_IMAGES = {"inception": 4, "imagenet": 16, "dinov2": 8}
N_FAST = 256
ROUNDS = 3


def measure(name: str) -> Pair:
    extractor = make_extractor(name, device="cpu")
    assert isinstance(extractor, NetworkExtractor)
    half = N_IMAGES.get(name, N_FAST) // 2
    images = chest_films((half, half), size=SIDE, seed=0).pixels
    return side_by_side(
        name,
        partial(_extracted, images, extractor),
        _bare(images, extractor.network),
        unit="images/s",
        note=f"{SIDE} px, one thread, {extractor.dimension} features; reference: the bare network",
        rounds=ROUNDS,
    )


def _extracted(images: Images, extractor: NetworkExtractor) -> int:
    return len(extract(images, extractor))


def _bare(images: Images, network: torch.nn.Module) -> Callable[[], int]:
    unit = torch.as_tensor(images).float() / 255
    chunks = (unit[start : start + STEP] for start in range(0, len(unit), STEP))
    batches = [chunk.contiguous(memory_format=torch.channels_last) for chunk in chunks]

    @torch.inference_mode()
    def run() -> int:
        return sum(len(network(batch)) for batch in batches)

    return run


def present() -> Iterator[str]:
    """Name the extractors that can be measured here; say which cannot."""
    for name, member in EXTRACTORS.items():
        if member.files and find_weights(member.files) is None:
            print(f"{name:<34} left out: none of {', '.join(member.files)} in ${FOLDER}")
        elif member.build is not None:
            yield name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pairs = []
    for name in arguments.names or present():
        pair = measure(name)
        print(pair.row(), flush=True)
        pairs.append(pair.facts())
    if arguments.json:
        facts = {
            "command": "python -m benchmarks.features",
            "threads": 1,
            "side": SIDE,
            "load": os.getloadavg(),
        }
        write_json(
            arguments.json, {**facts, "machine": machine(), "versions": versions(), "pairs": pairs}
        )


if __name__ == "__main__":
    main()
