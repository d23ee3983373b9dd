"""Every oversampler keeps the contracts of `equipoise.testing.oversamplers`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipoise.resampling.base import Oversampler
from equipoise.resampling.gan import GANOversampler
from equipoise.resampling.random import RandomOversampler
from equipoise.testing.oversamplers import CHECKS, RESAMPLER_CHECKS


def gan(**settings: Any) -> GANOversampler:
    return GANOversampler(
        n_steps=4, batch_size=6, base_channels=4, latent_size=40, learning_rate=0.01, device="cpu", **settings
    )


OVERSAMPLERS: dict[str, Oversampler] = {
    "per_class": gan(),
    "embedding": gan(conditioning="embedding", alpha="inverse", batch_sampler="natural"),
    "constant": gan(conditioning="embedding_map", layout="constant", objective="hinge", diffaugment="translation"),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", OVERSAMPLERS)
def test_oversampler(name: str, check: Callable[[Oversampler, Path], None], tmp_path: Path) -> None:
    check(OVERSAMPLERS[name], tmp_path)


@pytest.mark.parametrize("check", RESAMPLER_CHECKS, ids=lambda check: check.__name__)
def test_random_oversampler(check: Callable[[RandomOversampler, Path], None], tmp_path: Path) -> None:
    check(RandomOversampler(), tmp_path)
