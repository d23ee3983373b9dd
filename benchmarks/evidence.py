"""Evidence: features that splits share, heads on one network, folded batch norms.

Usage: python -m benchmarks.evidence [--json FILE]; rates are per CPU second of one thread.

The reference of each pair is what was done before: all features again in every split, all passes
of Grad-CAM again for every head, batch norms as layers.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import Pair, cpu_seconds, side_by_side
from equipoise.atomic import write_json
from equipoise.data.phantoms.datasets import chest_films
from equipoise.estimators.frozen.classifier import FrozenClassifier
from equipoise.estimators.grad_cam import grad_cam, grad_cams
from equipoise.experiments.running.environment import machine, versions
from equipoise.features.base import extract
from equipoise.features.choosing import make_extractor
from equipoise.networks.backbones import build
from equipoise.networks.folding import fold_batch_norms

SIZE = 64
N_SPLITS, N_REAL, N_OF_SPLIT = 4, 400, 300
N_HEADS, N_MAPPED = 8, 32
FULL_SIDE, N_PASSED = 224, 16
ROUNDS = 5

compared = partial(side_by_side, rounds=ROUNDS, clock=cpu_seconds)


def measure() -> Iterator[Pair]:
    yield measure_features()
    yield measure_grad_cam()
    yield measure_folding()


def measure_features() -> Pair:
    """Compute the features of the real images of several splits."""
    images = chest_films((N_REAL // 2, N_REAL // 2), size=SIZE, seed=0).images
    rng = np.random.default_rng(0)
    splits = [images[rng.permutation(N_REAL)[:N_OF_SPLIT]] for _ in range(N_SPLITS)]
    extractor = make_extractor("random", device="cpu")

    def ours() -> int:
        with tempfile.TemporaryDirectory() as folder:
            return sum(len(extract(split, extractor, cache=Path(folder))) for split in splits)

    def reference() -> int:
        return sum(len(extract(split, extractor)) for split in splits)

    note = f"{N_SPLITS} splits of {N_OF_SPLIT} of {N_REAL} images; reference: each split again"
    return compared("features of splits", ours, reference, unit="images/s", note=note)


def measure_grad_cam() -> Pair:
    """Map the heads of several methods on one frozen network."""
    films = chest_films((N_MAPPED // 2, N_MAPPED // 2), size=SIZE, seed=0)
    classifiers = []
    for loss in ("cross_entropy", "class_weights") * (N_HEADS // 2):
        classifier = FrozenClassifier(
            network="mobilenet_v2", pretrained="random", loss=loss, n_views=1, device="cpu"
        )
        classifiers.append(classifier.fit(films.images, films.labels))

    def ours() -> int:
        return sum(map(len, grad_cams(classifiers, films.images, [films.labels] * N_HEADS)))

    def reference() -> int:
        maps = [grad_cam(classifier, films.images, films.labels) for classifier in classifiers]
        return sum(map(len, maps))

    note = f"{N_HEADS} heads on MobileNetV2, {SIZE} px; reference: one head after the other"
    return compared("Grad-CAM of heads", ours, reference, unit="maps/s", note=note)


def measure_folding() -> Pair:
    """Pass images through MobileNetV2, as the extractor `imagenet` does."""
    plain = build("mobilenet_v2", channels=3, n_classes=2, side=FULL_SIDE).eval()
    folded = deepcopy(plain)
    fold_batch_norms(folded)
    batch = torch.rand(N_PASSED, 3, FULL_SIDE, FULL_SIDE)
    batch = batch.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def passes(network: torch.nn.Module) -> int:
        return len(network(batch))

    return compared(
        "MobileNetV2, folded batch norms",
        lambda: passes(folded),
        lambda: passes(plain),
        unit="images/s",
        note=f"{FULL_SIDE} px, one thread; reference: batch norms as layers",
    )


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
        facts = {"command": "python -m benchmarks.evidence", "threads": 1}
        facts |= {"load": os.getloadavg(), "machine": machine(), "versions": versions()}
        write_json(arguments.json, {**facts, "pairs": pairs})


if __name__ == "__main__":
    main()
