import pytest
import torch
from torch import Tensor

from equipoise.estimators.frozen.views import VIEWS
from equipoise.exceptions import SettingError
from equipoise.training.augmentation import AUGMENTATIONS, augmented
from equipoise.training.chance import isolated_chance
from equipoise.training.loop import Batch

BLOB = (slice(2, 8), slice(4, 10))  # rows and columns, upper left


RANDOM = [name for name in AUGMENTATIONS if name != "none"]


def blob(n: int = 64, channels: int = 1) -> Tensor:
    """Return images of 32 px with a bright square in the upper left."""
    images = torch.full((n, channels, 32, 32), 0.2)
    images[:, :, *BLOB] = 0.8
    return images


def batch_of(policy: str, images: Tensor, seed: int = 0) -> Tensor:
    labels = torch.arange(len(images))

    def batches(_step: int) -> Batch:
        return images, labels

    with isolated_chance(seed):
        augmented_images, same_labels = augmented(batches, policy)(0)
    assert torch.equal(same_labels, labels)
    return augmented_images


def corners(images: Tensor) -> Tensor:
    """Return (n, 4): mean brightness of the upper left, upper right, lower left, lower right."""
    return torch.nn.functional.adaptive_avg_pool2d(images.mean(dim=1, keepdim=True), 2).flatten(1)


@pytest.mark.parametrize("policy", AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_range_and_input_are_kept(policy: str, channels: int) -> None:
    images = torch.rand(16, channels, 20, 28)
    before = images.clone()
    result = batch_of(policy, images)
    assert result.shape == images.shape
    assert result.dtype == torch.float32
    assert 0 <= result.min() <= result.max() <= 1
    assert torch.equal(images, before)


@pytest.mark.parametrize("policy", RANDOM)
def test_chance_is_the_seeds(policy: str) -> None:
    images = blob()
    assert torch.equal(batch_of(policy, images), batch_of(policy, images))
    assert not torch.equal(batch_of(policy, images, seed=1), batch_of(policy, images))


@pytest.mark.parametrize("policy", RANDOM)
def test_images_of_a_batch_change_each_in_its_own_way(policy: str) -> None:
    changed = batch_of(policy, blob()).flatten(1)
    assert len(torch.unique(changed, dim=0)) > 32


def test_film_never_puts_a_side_on_the_other() -> None:
    """A mirrored chest film shows the heart on the right, which is a disease."""
    assert (corners(batch_of("film", blob(512))).argmax(dim=1) == 0).all()


def test_film_leaves_some_images_unwarped() -> None:
    """Without interpolation an image of two values keeps two, at any brightness and contrast."""
    n_values = torch.tensor([len(image.unique()) for image in batch_of("film", blob(256))])
    assert 0.1 < (n_values == 2).float().mean() < 0.3


@pytest.mark.parametrize("policy", ["cell", "skin", "stain"])
def test_cells_and_skin_reach_every_corner(policy: str) -> None:
    reached = corners(batch_of(policy, blob(512))).argmax(dim=1).bincount(minlength=4)
    assert (reached > 512 / 16).all()


@pytest.mark.parametrize("policy", ["cell", "skin", "stain"])
def test_cells_and_skin_are_mirrored_as_well_as_rotated(policy: str) -> None:
    """Three spots clockwise from bright to dim stay clockwise when rotated, not when mirrored."""
    images = torch.zeros(256, 1, 33, 33)
    for (row, column), value in {(9, 12): 1.0, (12, 22): 0.7, (22, 14): 0.4}.items():
        images[:, :, row - 2 : row + 3, column - 2 : column + 3] = value
    sides = torch.sign(turn(images)), torch.sign(turn(batch_of(policy, images)))
    assert (sides[0] == 1).all()
    assert 0.35 < (sides[1] == 1).float().mean() < 0.65
    assert (torch.sign(turn(images.flip(-1))) == -1).all()


def turn(images: Tensor) -> Tensor:
    """Return twice the signed area of the triangle of the three spots; clockwise is positive."""
    relative = images - images.amin(dim=(1, 2, 3), keepdim=True)
    relative = relative / relative.amax(dim=(1, 2, 3), keepdim=True)
    a, b, c = (center((relative - level).abs() < 0.1) for level in (1.0, 0.7, 0.4))
    (ax, ay), (bx, by) = (b - a).T, (c - b).T
    area: Tensor = ax * by - ay * bx
    return area


def center(mask: Tensor) -> Tensor:
    """Return (n, 2): mean column and row of the true pixels."""
    rows, columns = torch.meshgrid(torch.arange(33.0), torch.arange(33.0), indexing="ij")
    places = torch.stack([columns.flatten(), rows.flatten()], dim=1)
    weights = mask.flatten(1).float()
    return weights @ places / weights.sum(dim=1, keepdim=True)


def test_every_augmentation_has_fixed_views() -> None:
    assert [*VIEWS] == [*AUGMENTATIONS]


def test_none_changes_nothing() -> None:
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(batch_of("none", images), images)


def test_unknown_policy() -> None:
    with pytest.raises(SettingError, match=r"augmentation named 'films'.* 'film'"):
        augmented(lambda step: (torch.zeros(1), torch.zeros(1)), "films")
