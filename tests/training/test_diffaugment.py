"""DiffAugment: the stated range of every transform, and gradients through it."""

import pytest
import torch

from equipoise.exceptions import SettingError
from equipoise.training.diffaugment import TRANSFORMS, color, cutout, diffaugment, translation

POLICY = "color,translation,cutout"


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_the_empty_policy_changes_nothing() -> None:
    images = torch.randn(2, 3, 16, 16)
    assert diffaugment("")(images) is images


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_stays_and_gradients_flow(name: str, channels: int) -> None:
    images = torch.randn(4, channels, 16, 16, requires_grad=True)
    changed = diffaugment(name)(images)
    assert changed.shape == images.shape
    assert not torch.equal(changed, images)
    (gradient,) = torch.autograd.grad(changed.square().sum(), images)
    assert gradient.abs().sum(dim=(1, 2, 3)).min() > 0


def test_images_are_transformed_one_by_one() -> None:
    same = torch.randn(1, 3, 16, 16).expand(8, -1, -1, -1)
    changed = diffaugment(POLICY)(same)
    assert all(not torch.equal(changed[0], other) for other in changed[1:])


def test_translation_moves_by_at_most_an_eighth_of_the_side() -> None:
    size, reach = 32, 4
    images = torch.zeros(500, 1, size, size)
    images[:, :, 16, 16] = 1.0
    place = translation(images).flatten(1).argmax(dim=1)
    shifts = torch.stack([place // size - 16, place % size - 16], dim=1)
    assert shifts.abs().amax(dim=0).tolist() == [reach, reach]
    assert len({tuple(shift) for shift in shifts.tolist()}) == (2 * reach + 1) ** 2


def test_translation_fills_with_0() -> None:
    moved = translation(torch.ones(50, 1, 16, 16))
    assert set(moved.flatten().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("side", [8, 9, 10, 11, 32, 33])
def test_the_hole_of_cutout_is_centered_on_the_image(side: int) -> None:
    """A pixel and its mirror image are in the hole equally often, in every place the hole takes."""
    n = 4000
    removed = cutout(torch.ones(n, 1, side, side)) == 0
    for of_axis in (removed.any(dim=3), removed.any(dim=2)):  # (n, 1, side)
        spans = {tuple(span) for span in of_axis[:, 0].tolist()}
        assert spans == {span[::-1] for span in spans}
        assert max(sum(span) for span in spans) == (side + 1) // 2
        share = of_axis[:, 0].float().mean(dim=0)
        assert (share - share.flip(0)).abs().max() < 6 * (0.5 / n) ** 0.5


def test_cutout_removes_at_most_a_square_of_half_the_side() -> None:
    kept = cutout(torch.ones(500, 1, 32, 32))
    removed = (kept == 0).sum(dim=(1, 2, 3))
    assert removed.max() == 16 * 16
    assert removed.min() >= 8 * 8


def test_color_at_one_channel_is_brightness_and_contrast_only() -> None:
    """Gray has no saturation: a gray image stays a scaled and shifted one."""
    images = torch.randn(20, 1, 16, 16) * 0.3
    changed = color(images).flatten(1)
    original = images.flatten(1)
    slope = (changed.amax(1) - changed.amin(1)) / (original.amax(1) - original.amin(1))
    assert ((slope >= 0.5 - 1e-4) & (slope <= 1.5 + 1e-4)).all()
    offset = changed - slope[:, None] * original
    assert torch.allclose(offset, offset.mean(dim=1, keepdim=True).expand_as(offset), atol=1e-5)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(SettingError, match=r"transform named 'cutuot'.* 'cutout'"):
        diffaugment("translation,cutuot")
