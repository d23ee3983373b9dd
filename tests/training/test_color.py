import colorsys
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from equipoise.training.chance import isolated_chance
from equipoise.training.color import ColorChange, FlipsAndTurns, color_matrices


def applied(layer: torch.nn.Module, images: Tensor) -> Tensor:
    with isolated_chance(0):
        changed: Tensor = layer(images)
    return changed


def test_flips_and_turns_are_the_eight_symmetries_equally_often() -> None:
    image = torch.rand(2, 5, 5)
    symmetries = {}
    for mirrored in (image, image.flip(-1)):
        for turns in range(4):
            turned = torch.rot90(mirrored, turns, dims=(1, 2))
            symmetries[turned.numpy().tobytes()] = 0
    assert len(symmetries) == 8
    for changed in applied(FlipsAndTurns(), image.expand(1600, 2, 5, 5)):
        symmetries[changed.numpy().tobytes()] += 1
    assert min(symmetries.values()) > 140


def test_an_image_that_is_not_square_keeps_its_sides() -> None:
    image = torch.rand(1, 4, 6)
    changed = applied(FlipsAndTurns(), image.expand(200, 1, 4, 6))
    expected = [image, image.flip(-1), image.flip(-2), image.flip(-1, -2)]
    assert {i.numpy().tobytes() for i in changed} == {i.numpy().tobytes() for i in expected}


@pytest.mark.parametrize("degrees", [-30.0, 0.0, 120.0])
def test_golden_change_of_hue_and_saturation(degrees: float) -> None:
    """Python's own conversion to YIQ has slightly other numbers (FCC)."""
    color = (0.6, 0.4, 0.3)
    y, i, q = colorsys.rgb_to_yiq(*color)
    angle = math.radians(degrees)
    turned = complex(i, q) * complex(math.cos(angle), math.sin(angle)) * 0.7
    expected = colorsys.yiq_to_rgb(y, turned.real, turned.imag)
    [matrix] = color_matrices(torch.tensor([0.7]), torch.tensor([degrees]))
    assert (matrix @ torch.tensor(color)).numpy() == pytest.approx(np.array(expected), abs=0.01)
    assert (matrix @ torch.ones(3)).numpy() == pytest.approx(1.0, abs=1e-3)


def test_each_image_of_a_batch_has_its_own_color_within_the_limits() -> None:
    images = torch.full((256, 3, 4, 4), 0.4)
    images[:, 0] = 0.5
    changed = applied(ColorChange(light=0.1, saturation=0.0, degrees=0.0), images)
    assert len(np.unique(changed[:, :, 0, 0].numpy(), axis=0)) == 256
    means = changed.mean(dim=(1, 2, 3)) / images.mean()
    assert means.min().item() == pytest.approx(0.9, abs=0.01)
    assert means.max().item() == pytest.approx(1.1, abs=0.01)
    spreads = (changed[:, 0] - changed[:, 1]).mean(dim=(1, 2)) / 0.1 / means
    assert spreads.min().item() == pytest.approx(0.9, abs=0.01)
    assert spreads.max().item() == pytest.approx(1.1, abs=0.01)
    hues = applied(ColorChange(light=0.0, saturation=0.0, degrees=20.0), images)
    assert 0.01 < (hues - images).abs().max() < 0.1


def test_gray_images_have_no_color_to_change() -> None:
    images = torch.rand(8, 1, 4, 4)
    changed = applied(ColorChange(light=0.0, saturation=0.5, degrees=90.0), images)
    assert torch.allclose(changed, images, atol=1e-6)
