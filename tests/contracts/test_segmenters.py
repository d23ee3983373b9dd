"""Every segmenter obeys the contract of `equipoise.testing.segmenters`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipoise.estimators.cascade import CascadeSegmenter
from equipoise.estimators.patches.hard_example import HardExamplePatches
from equipoise.estimators.segmenter import Segmenter
from equipoise.testing.segmenters import SEGMENTER_CHECKS, AnySegmenter


def tiny(**changes: Any) -> Segmenter:
    lengths = {"batch_size": 4, "n_steps": 3, "epoch_steps": 2, "evaluate_every": 2, "n_slices": 1}
    network = {"width": 2, "patch_size": 32, "learning_rate": 0.01, "device": "cpu"}
    return Segmenter(**{**lengths, **network, **changes})


def cascade(**changes: Any) -> CascadeSegmenter:
    return CascadeSegmenter(detect=tiny(**changes), divide=tiny(**changes), device="cpu")


FAST: dict[str, AnySegmenter] = {"center": tiny(prior_correction=True), "cascade": cascade()}
SLOW: dict[str, AnySegmenter] = {
    "center_padded": tiny(network="center_cnn"),
    "hard_example": tiny(patch_sampler=HardExamplePatches(candidates=5)),
    "dense": tiny(mode="dense", prior_correction=True),
    "dense_dice": tiny(mode="dense", loss="ce_dice"),
    "dense_cascade": cascade(mode="dense", loss="dice"),
}


@pytest.mark.parametrize("check", SEGMENTER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_segmenter(name: str, check: Callable[[AnySegmenter, Path], None], tmp_path: Path) -> None:
    check((FAST | SLOW)[name], tmp_path)
