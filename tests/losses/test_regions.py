import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy

from equipoise.exceptions import SettingError
from equipoise.losses import LOSSES, regions
from equipoise.losses.regions import REGION_LOSSES, pick_loss

COUNTS = torch.tensor([6, 3, 3])
PIXELS = torch.tensor([1] * 10 + [0] * 10).view(1, 4, 5)
GUESS = torch.tensor([1] * 4 + [0] * 6 + [1] * 2 + [0] * 8).view(1, 4, 5)  # TP, FP, FN = 4, 2, 6


def certain(codes: Tensor, k: int) -> Tensor:
    return 1e4 * torch.nn.functional.one_hot(codes, k).movedim(-1, 1).float()


@pytest.mark.parametrize(
    ("name", "loss"),
    [("tversky", 1 - 0.454545), ("dice", 0.5), ("focal_tversky", (1 - 0.454545) ** 0.75)],
)
def test_golden_values(name: str, loss: float) -> None:
    value = pick_loss(name, COUNTS[:2])(certain(GUESS, 2), PIXELS)
    torch.testing.assert_close(value, torch.tensor(loss), atol=2e-6, rtol=0)


def test_tversky_with_equal_prices_is_dice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "FALSE_POSITIVE", 0.5)
    monkeypatch.setattr(regions, "FALSE_NEGATIVE", 0.5)
    logits, target = draw(seed=0, k=3)
    dice, tversky = (pick_loss(name, COUNTS)(logits, target) for name in ("dice", "tversky"))
    torch.testing.assert_close(
        tversky, dice, atol=1e-5, rtol=0
    )  # e stands beside TP, not beside 2 TP


def test_a_missed_pixel_costs_more_than_a_false_one() -> None:
    """Swapping truth and prediction swaps missed and false pixels."""
    loss = pick_loss("tversky", COUNTS[:2])
    many_missed, many_false = loss(certain(GUESS, 2), PIXELS), loss(certain(PIXELS, 2), GUESS)
    assert many_missed > many_false


@pytest.mark.parametrize("name", REGION_LOSSES)
def test_a_one_hot_prediction_costs_nothing(name: str) -> None:
    """Soft Dice 1; the same for all others, also for a class that is absent everywhere."""
    target = draw(seed=1, k=3)[1].clamp_min(0)
    assert pick_loss(name, COUNTS)(certain(target, 4), target) == 0


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), k=st.integers(2, 5), background=st.booleans())
def test_equal_the_formulas(seed: int, k: int, background: bool) -> None:
    """docs/methods.md 6.5, class by class and pixel by pixel over the whole batch."""
    logits, target = draw(seed, k)
    p, t = (
        logits.softmax(dim=1),
        torch.stack([(target == code).double() for code in range(k)], dim=1),
    )
    p = p * (target >= 0).unsqueeze(1)
    tp, p, t = ((part).sum(dim=(0, 2, 3)) for part in (p * t, p, t))
    kept, e = slice(int(background), None), 1e-5
    dice = 1 - ((2 * tp + e) / (p + t + e))[kept].mean()
    tversky = 1 - ((tp + e) / (tp + 0.3 * (p - tp) + 0.7 * (t - tp) + e))[kept]
    weights = torch.where(t > 0, 1 / t**2, 0)
    weights = torch.where(t > 0, weights, weights.max())
    expected = {
        "dice": dice,
        "generalized_dice": 1 - 2 * (weights * tp).sum() / (weights * (p + t)).sum(),
        "tversky": tversky.mean(),
        "focal_tversky": (tversky**0.75).mean(),
        "ce_dice": dice + cross_entropy(logits, target, ignore_index=-1),
    }
    assert set(expected) == set(REGION_LOSSES)
    for name, value in expected.items():
        loss = pick_loss(name, torch.ones(k), background=background)(logits, target)
        torch.testing.assert_close(loss, value, atol=1e-6, rtol=1e-6)  # MONAI weights in float32


def test_generalized_dice_does_not_depend_on_how_many_pixels_there_are() -> None:
    """With MONAI's smoothing it would: 1e-5 is large beside n / n^2 for a million pixels."""
    logits, target = draw(seed=2, k=3)
    loss = pick_loss("generalized_dice", COUNTS)
    many = loss(logits.repeat(2000, 1, 1, 1), target.repeat(2000, 1, 1))
    torch.testing.assert_close(many, loss(logits, target), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["cross_entropy", "class_weights", "focal"])
def test_losses_of_items_average_the_labeled_pixels(name: str) -> None:
    logits, target = draw(seed=3, k=3)
    logits, labeled = logits.float(), target >= 0
    expected = LOSSES[name](COUNTS)(logits.movedim(1, -1)[labeled], target[labeled])
    torch.testing.assert_close(pick_loss(name, COUNTS)(logits, target), expected)


def test_losses_of_items_keep_their_probabilities_and_their_progress() -> None:
    logits = draw(seed=4, k=3)[0].float()
    name = "posthoc_logit_adjustment"
    expected = LOSSES[name](COUNTS).probabilities(logits)
    torch.testing.assert_close(pick_loss(name, COUNTS).probabilities(logits), expected)
    dice = pick_loss("dice", COUNTS)
    torch.testing.assert_close(dice.probabilities(logits), logits.softmax(dim=1))
    loss = pick_loss("cross_entropy", COUNTS)
    progress: list[float] = []
    loss.loss.advance = progress.append  # type: ignore[union-attr]
    loss.advance(0.5)
    assert progress == [0.5]


def test_half_precision_is_summed_in_single() -> None:
    logits, target = draw(seed=5, k=3)
    halved = logits.bfloat16()
    assert torch.equal(
        pick_loss("dice", COUNTS)(halved, target), pick_loss("dice", COUNTS)(halved.float(), target)
    )


def test_refuses_unknown_names_and_losses_of_cosines() -> None:
    with pytest.raises(SettingError, match=r"'dices'.*'dice'"):
        pick_loss("dices", COUNTS)
    with pytest.raises(SettingError, match=r"'ldam'.* cosines"):
        pick_loss("ldam", COUNTS)


def draw(seed: int, k: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, k, 4, 5, generator=generator, dtype=torch.float64)
    return logits, torch.randint(-1, k, (3, 4, 5), generator=generator)
