import pytest
import torch
from torch.testing import assert_close

from equipoise.estimators.frozen.views import VIEWS, View, views_of
from equipoise.training.augmentation import AUGMENTATIONS


def test_every_augmentation_has_views_and_the_first_is_the_image_itself() -> None:
    assert VIEWS.keys() == AUGMENTATIONS.keys()
    images = torch.rand(2, 1, 6, 6)
    for views in VIEWS.values():
        assert torch.equal(views[0](images), images)
        assert len(set(views)) == len(views)


def test_films_are_never_mirrored_nor_turned_upside_down() -> None:
    assert not any(view.mirrored or view.quarter_turns for view in VIEWS["film"])
    assert max(abs(view.degrees) for view in VIEWS["film"]) <= 10


def test_cells_have_the_eight_exact_symmetries_of_the_square() -> None:
    images = torch.arange(9.0).view(1, 1, 3, 3)
    seen = {tuple(view(images).flatten().tolist()) for view in VIEWS["cell"]}
    assert len(seen) == 8
    assert all(sorted(values) == list(range(9)) for values in seen)


def test_a_quarter_turn_by_sampling_equals_the_exact_one() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert_close(View(degrees=90.0)(images), View(quarter_turns=1)(images), atol=1e-5, rtol=0)


def test_zoom_magnifies_about_the_center() -> None:
    images = torch.zeros(1, 1, 8, 8)
    images[..., 3:5, 3:5] = 1.0
    assert View(zoom=2.0)(images).sum() > 3 * images.sum()
    constant = torch.full((1, 1, 5, 7), 0.25)
    assert_close(View(degrees=10.0, zoom=0.9)(constant), constant)


def test_a_rotation_keeps_shapes_of_images_that_are_not_square() -> None:
    images = torch.zeros(1, 1, 9, 21)
    images[0, 0, 4, 14] = 1.0  # 4 px right of the center
    turned = View(degrees=90.0)(images)[0, 0]
    assert turned[[0, 8], 10].max() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("n_views", "n"), [(1, 1), (4, 4), (99, 8)])
def test_the_first_views_are_taken(n_views: int, n: int) -> None:
    assert views_of("cell", n_views) == VIEWS["cell"][:n]
