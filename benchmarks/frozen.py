"""Heads on frozen features, and the features: ours against the straightforward way.

Usage: python -m benchmarks.frozen [--json FILE] [--only heads stored features]

A head is trained for all weight decays on 5,000 rows of 1,280 features. The reference is what a
reader would write first: torch's L-BFGS with a strong Wolfe line search, one weight decay after the
other, each from the result of the last. Both stop at small gradients or after 60 iterations.

The features are those of an untrained mobilenet_v2, without a cache. The reference is the same
network in batches of the same size that lie ready, with its batch norms.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import duplicates
from benchmarks.timing import Pair, cpu_seconds, side_by_side
from equipoise.arrays import Images
from equipoise.atomic import write_json
from equipoise.data.feature_store import keys_remembered
from equipoise.data.phantoms.datasets import chest_films
from equipoise.estimators.frozen.extractor import BATCH, FrozenExtractor, _remembered
from equipoise.estimators.frozen.feature_network import (
    MIDDLE,
    PENULTIMATE,
    RANDOM,
    FeatureDescription,
)
from equipoise.estimators.frozen.objectives import Rows
from equipoise.estimators.frozen.solver import MOST_ITERATIONS, WEIGHT_DECAYS, solve_all
from equipoise.estimators.frozen.views import PLAIN, View, views_of
from equipoise.experiments.running.environment import machine, versions
from equipoise.losses import LOSSES
from equipoise.networks.backbones import build

N_ROWS, N_FEATURES = 5000, 1280
GRADIENT = 2e-5  # at which the reference stops
SIDES = (64, 128, 160)
N_IMAGES = 32
PARTS = ("heads", "stored", "features")
DESCRIPTION = FeatureDescription(
    network="mobilenet_v2",
    pretrained=RANDOM,
    layers=(PENULTIMATE, MIDDLE),
    side=None,
    device="cpu",
)


def measure(parts: Collection[str] = PARTS) -> Iterator[Pair]:
    if "heads" in parts:
        for loss in ("cross_entropy", "class_weights"):
            yield heads(loss)
    if "stored" in parts:
        yield stored_features()
    if "features" in parts:
        for side in SIDES:
            yield features(side)


def heads(loss: str) -> Pair:
    rows = spread_rows()
    return side_by_side(
        f"frozen head, {loss}",
        partial(trained, loss, rows),
        partial(trained_one_by_one, loss, rows),
        unit="heads/s",
        note=f"{N_ROWS} x {N_FEATURES}, {len(WEIGHT_DECAYS)} weight decays; reference: torch LBFGS",
        rounds=3,
    )


def spread_rows() -> Rows:
    """Draw rows whose spread falls along directions as that of features of networks does."""
    rng = np.random.default_rng(0)
    spreads = np.arange(1, N_FEATURES + 1) ** -0.75
    directions = np.linalg.qr(rng.normal(size=(N_FEATURES, N_FEATURES)))[0]
    points = (rng.normal(size=(N_ROWS, N_FEATURES)) * spreads) @ directions
    signal = points @ rng.normal(size=N_FEATURES) / np.linalg.norm(spreads)
    codes = 2 * signal + rng.normal(size=N_ROWS) > 2.5
    standardized = (points - points.mean(axis=0)) / points.std(axis=0) / N_FEATURES**0.5
    return Rows(
        inputs=torch.as_tensor(standardized, dtype=torch.float32),
        codes=torch.as_tensor(codes.astype(np.int64)),
        weights=torch.ones(N_ROWS),
    )


def blank() -> nn.Linear:
    layer = nn.Linear(N_FEATURES, 2)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def trained(loss: str, rows: Rows) -> int:
    function = LOSSES[loss](rows.codes.bincount())
    solve_all(blank(), function, rows, WEIGHT_DECAYS, lambda _done, _total: None)
    return 1


def trained_one_by_one(loss: str, rows: Rows) -> int:
    function = LOSSES[loss](rows.codes.bincount())
    layer = blank()
    for weight_decay in WEIGHT_DECAYS:
        optimizer = torch.optim.LBFGS(
            layer.parameters(),
            max_iter=MOST_ITERATIONS,
            tolerance_grad=GRADIENT,
            history_size=10,
            line_search_fn="strong_wolfe",
        )

        def closure(weight_decay: float = weight_decay, optimizer: object = optimizer) -> Tensor:
            layer.zero_grad(set_to_none=True)
            value: Tensor = function(layer(rows.inputs), rows.codes, rows.weights)
            value = value + 0.5 * weight_decay * layer.weight.square().sum()
            torch.autograd.backward(value)
            return value

        optimizer.step(closure)  # type: ignore[no-untyped-call]
    return 1


def stored_features() -> Pair:
    """Read the features of a split again for the next head, as the first head had to."""
    images = duplicates.draw(N_ROWS, 64)
    views = views_of("film", 4)
    rng = np.random.default_rng(0)

    def drawn(self: FrozenExtractor, chunk: Images, view: View, progress: object) -> object:
        return rng.normal(size=(len(chunk), self.dimension)).astype(np.float16)

    with tempfile.TemporaryDirectory() as folder, keys_remembered(images):
        extractor = FrozenExtractor(
            DESCRIPTION, shape=images.shape[1:], span=(0.0, 255.0), workspace=folder
        )
        with patch.object(FrozenExtractor, "_compute", drawn):
            extractor.fill(images, views)

        def first() -> int:
            _remembered.clear()
            return len(extractor(images, views))

        extractor(images, views)
        return side_by_side(
            "stored features of the next head",
            lambda: len(extractor(images, views)),
            first,
            unit="images/s",
            note=f"{N_ROWS} images, {len(views)} views, seconds of the processor; reference: those "
            f"of the first head; load {os.getloadavg()[0]:.1f}",
            rounds=5,
            clock=cpu_seconds,
        )


def features(side: int) -> Pair:
    images = chest_films((N_IMAGES // 2, N_IMAGES // 2), size=side, seed=0).pixels
    extractor = FrozenExtractor(
        DESCRIPTION, shape=images.shape[1:], span=(0.0, 255.0), workspace=None
    )
    return side_by_side(
        f"frozen features, {side} px",
        lambda: len(extractor(images, (PLAIN,))),
        bare(images),
        unit="images/s",
        note=f"mobilenet_v2, {torch.get_num_threads()} threads; reference: the bare network",
        rounds=3,
    )


def bare(images: np.ndarray) -> Callable[[], int]:
    network = build("mobilenet_v2", channels=1, n_classes=2, side=images.shape[2]).eval()
    unit = torch.as_tensor(images).float() / 255
    size = BATCH["cpu"]
    batches = [unit[start : start + size] for start in range(0, len(unit), size)]

    @torch.inference_mode()
    def run() -> int:
        return sum(len(network(batch)) for batch in batches)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    arguments = parser.parse_args()
    pairs = []
    for pair in measure(arguments.only):
        print(pair.row(), flush=True)
        pairs.append(pair.facts())
    if arguments.json:
        facts = {"command": "python -m benchmarks.frozen", "threads": torch.get_num_threads()}
        write_json(
            arguments.json, {**facts, "machine": machine(), "versions": versions(), "pairs": pairs}
        )


if __name__ == "__main__":
    main()
