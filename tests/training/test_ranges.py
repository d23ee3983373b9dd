"""Image values between networks and storage."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.arrays import quantize, value_range
from equipoise.training.batches import to_unit
from equipoise.training.ranges import DATA_RANGES, SYMMETRIC

BYTE = np.dtype(np.uint8)


def stored(generated: torch.Tensor) -> torch.Tensor:
    """Convert generated values in [-1, 1] to 8-bit images and back."""
    image = quantize(SYMMETRIC.back(generated).numpy(), BYTE, (0.0, 255.0))
    return SYMMETRIC.into(to_unit(torch.as_tensor(image), value_range(image)))


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30))
def test_a_generated_image_comes_back_from_storage_within_one_in_255(values: list[float]) -> None:
    """The range is 2 wide and has 255 steps: half a step is 1 / 255."""
    generated = torch.tensor(values)
    assert (stored(generated) - generated).abs().max() <= 1 / 255 + 1e-6


def test_the_bound_is_reached_between_two_gray_levels_and_gray_levels_come_back_exactly() -> None:
    levels = torch.arange(256) / 127.5 - 1
    torch.testing.assert_close(stored(levels), levels, atol=1e-6, rtol=0)
    between = (levels[1:] + levels[:-1]) / 2
    torch.testing.assert_close(
        (stored(between) - between).abs(), torch.full((255,), 1 / 255), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("name", DATA_RANGES)
def test_what_the_critic_sees_of_a_real_image_is_what_a_generator_must_make(name: str) -> None:
    unit = torch.linspace(0, 1, 11)
    torch.testing.assert_close(DATA_RANGES[name].back(DATA_RANGES[name].into(unit)), unit)
