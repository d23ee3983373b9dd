"""ADA: the controller's golden step, the range of each transform, and its state."""

import pytest
import torch
from torch import Tensor

from equipoise.exceptions import SettingError
from equipoise.training.adaptive_augmentation import (
    DEFAULT,
    MOST,
    TRANSFORMS,
    AdaptiveAugmentation,
    flip,
    quarter_turns,
    saturation,
    scale,
    translation,
)

CPU = torch.device("cpu")
SURE, UNSURE = torch.full((64,), 3.0), torch.full((64,), -3.0)  # scores of real images


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def probability_after(ada: AdaptiveAugmentation, scores: Tensor, times: int) -> float:
    for _ in range(times):
        ada.observe(scores)
    return ada.probability.item()


def test_p_moves_by_4_batches_in_500_000_images_after_every_4th() -> None:
    ada = AdaptiveAugmentation(DEFAULT, CPU)
    assert probability_after(ada, SURE, 3) == 0.0
    assert probability_after(ada, SURE, 1) == pytest.approx(0.000512, rel=1e-5)
    assert probability_after(ada, SURE, 4) == pytest.approx(0.001024, rel=1e-5)
    assert probability_after(ada, UNSURE, 4) == pytest.approx(0.000512, rel=1e-5)


def test_p_is_never_negative_nor_above_its_cap() -> None:
    ada = AdaptiveAugmentation(DEFAULT, CPU)
    assert probability_after(ada, UNSURE, 8) == 0.0
    ada.probability = torch.tensor(MOST - 0.0001)
    assert probability_after(ada, SURE, 8) == pytest.approx(MOST)


def test_the_target_is_a_mean_sign_of_60_percent() -> None:
    """85 of 100 positive: r = 0.7, p rises; 75: r = 0.5, p falls."""
    ada = AdaptiveAugmentation(DEFAULT, CPU)
    ada.probability = torch.tensor(0.5)
    for positive, direction in ((85, 1), (75, -1)):
        before = ada.probability.item()
        moved = (
            probability_after(
                ada, torch.cat([torch.ones(positive), -torch.ones(100 - positive)]), 4
            )
            - before
        )
        assert moved == pytest.approx(direction * 4 * 100 / 500_000, rel=1e-3)


def test_state_round_trip_within_an_interval() -> None:
    whole, before, after = (AdaptiveAugmentation(DEFAULT, CPU) for _ in range(3))
    scores = [torch.randn(8) + 1 for _ in range(12)]
    for batch_scores in scores:
        whole.observe(batch_scores)
    for batch_scores in scores[:6]:
        before.observe(batch_scores)
    after.load_state_dict(before.state_dict())
    for batch_scores in scores[6:]:
        after.observe(batch_scores)
    assert torch.equal(whole.probability, after.probability)
    assert torch.equal(whole.signs, after.signs)


def test_a_continued_fit_goes_on_from_the_probability_that_it_had() -> None:
    before, after = (AdaptiveAugmentation(DEFAULT, CPU) for _ in range(2))
    assert probability_after(before, SURE, 6) > 0
    after.load_state_dict(before.state_dict())
    assert torch.equal(after.probability, before.probability)
    assert probability_after(before, SURE, 2) == probability_after(after, SURE, 2)


def test_nothing_changes_at_0_and_each_transform_is_chosen_with_p() -> None:
    ada, images = AdaptiveAugmentation("brightness", CPU), torch.randn(2000, 1, 4, 4)
    assert torch.equal(ada(images), images)
    ada.probability = torch.tensor(0.3)
    changed = (ada(images) != images).flatten(1).any(dim=1).float().mean().item()
    assert changed == pytest.approx(0.3, abs=4 * (0.21 / 2000) ** 0.5)


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_stays_and_gradients_flow(name: str, channels: int) -> None:
    images = torch.randn(6, channels, 16, 16, requires_grad=True)
    changed = TRANSFORMS[name](images)
    assert changed.shape == images.shape
    assert torch.equal(changed, images) == (name == "saturation" and channels == 1)
    (gradient,) = torch.autograd.grad(changed.square().sum(), images)
    assert gradient.abs().sum(dim=(1, 2, 3)).min() > 0


def test_translation_moves_by_whole_pixels_up_to_an_eighth_of_the_side() -> None:
    images = torch.zeros(500, 1, 32, 32)
    images[:, :, 16, 16] = 1.0
    moved = translation(images)
    place = moved.flatten(1).argmax(dim=1)
    shifts = torch.stack([place // 32 - 16, place % 32 - 16], dim=1)
    assert shifts.abs().amax(dim=0).tolist() == [4, 4]
    assert torch.allclose(moved.amax(dim=(1, 2, 3)), torch.ones(500), atol=1e-4)


def test_what_comes_in_is_the_mirrored_image() -> None:
    images = torch.full((20, 1, 16, 16), 0.7)
    for name in ("translation", "scale", "stretch", "shift"):
        assert torch.allclose(TRANSFORMS[name](images), images, atol=1e-5)


def test_scale_keeps_the_center_and_what_is_symmetric_about_it() -> None:
    places = torch.arange(17.0) - 8
    cone = -(places[:, None] ** 2 + places[None] ** 2).sqrt().expand(30, 1, 17, 17)
    scaled = scale(cone)
    assert (scaled.flatten(1).argmax(dim=1) == 8 * 17 + 8).all()
    assert torch.allclose(scaled, scaled.flip(2, 3), atol=1e-4)
    assert torch.allclose(scaled, scaled.transpose(2, 3), atol=1e-4)


def test_flips_and_turns_are_those_of_the_square() -> None:
    images = torch.arange(16.0).reshape(1, 1, 4, 4).expand(100, 1, 4, 4)
    assert len({tuple(image.flatten().tolist()) for image in flip(images)}) == 2
    assert len({tuple(image.flatten().tolist()) for image in quarter_turns(images)}) == 4


def test_saturation_keeps_the_gray_level() -> None:
    images = torch.randn(5, 3, 4, 4)
    assert torch.allclose(saturation(images).mean(dim=1), images.mean(dim=1), atol=1e-5)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(SettingError, match=r"transform named 'turn'"):
        AdaptiveAugmentation("scale,turn", CPU)


def test_what_changes_the_meaning_of_a_medical_image_is_off_by_default() -> None:
    assert set(TRANSFORMS) - set(DEFAULT.split(",")) == {"flip", "quarter_turns", "saturation"}
