"""DiffusionOversampler: the contracts on each process, settings, cache, stop, record, sampling."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipoise.resampling.base import Oversampler
from equipoise.resampling.diffusion import DiffusionOversampler
from equipoise.testing.oversamplers import CHECKS

TINY: dict[str, Any] = {
    "n_steps": 4,
    "batch_size": 6,
    "base_channels": 4,
    "learning_rate": 0.01,
    "sampling_steps": 3,
    "device": "cpu",
}


def tiny(**changes: Any) -> DiffusionOversampler:
    return DiffusionOversampler(**{**TINY, **changes})


INSTANCES: dict[str, Oversampler] = {
    "edm": tiny(),
    "rectified_flow": tiny(process="rectified_flow", guidance=1.5, patch=1),
    "ddpm": tiny(process="ddpm", stop_share=0.0, batch_sampler="natural"),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", INSTANCES)
def test_contract(name: str, check: Callable[[Oversampler, Path], None], tmp_path: Path) -> None:
    check(INSTANCES[name], tmp_path)
