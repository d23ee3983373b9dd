"""Every generator of a comparison learns a rare class: its mean image and both of its modes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.arrays import Images, Labels
from equipoise.experiments.methods.generative import METHODS
from equipoise.experiments.protocol import Budget
from equipoise.training import collapse

pytestmark = pytest.mark.slow

Gray = NDArray[np.float64]

COMMON, RARE = 0, 1
N_MADE = 128
EMPTY = np.array([[40.0, 40.0], [40.0, 40.0]])  # the common class, as the gray levels of quarters
MODES = (
    np.array([[160.0, 40.0], [40.0, 40.0]]),
    np.array([[40.0, 40.0], [40.0, 160.0]]),
)  # of the rare class
HALF_WAY = 30.0  # root mean square over quarters: half of what a mode differs from the common class


class Effort(NamedTuple):
    """Rounds and channels of `Budget`, and the side of the images."""

    rounds: int = 800
    channels: int = 16
    side: int = 16


EFFORTS: Mapping[str, Effort] = {  # where it is another
    "vae": Effort(100),
    "vae_smote": Effort(100),
    "wgan_clip": Effort(2500),  # small updates, one of the generator in six
    "wgan_gp": Effort(1400),
    "dragan": Effort(2000),  # projected labels take longer to be heeded
    "r1": Effort(2000),
    "strong_gan": Effort(2000),
    "sngan": Effort(600, 32, side=8),  # gets a quarter of these channels
    "bagan": Effort(800, 32, side=8),  # the same, and half the rounds for each of its stages
    "edm": Effort(600, 32, side=8),  # see `test_a_denoiser_knows_places_on_larger_maps`
    "ddpm": Effort(600, 32, side=8),
    "flow": Effort(600, 32, side=8),
}


def draw(kinds: Sequence[Gray], side: int, seed: int) -> Images:
    """Draw noise (sd 8) around quarters of the given gray, each image brighter or darker."""
    rng = np.random.default_rng(seed)
    quarters = np.stack(kinds)[:, None] + rng.normal(0, 10, (len(kinds), 1, 1, 1))
    images = quarters.repeat(side // 2, axis=2).repeat(side // 2, axis=3)
    return np.clip(images + rng.normal(0, 8, images.shape), 0, 255).astype(np.uint8)


def toy(side: int) -> tuple[Images, Labels]:
    """100 images without a spot, and 20 with a spot at each of two places."""
    kinds = [EMPTY] * 100 + [MODES[0]] * 20 + [MODES[1]] * 20
    return draw(kinds, side, seed=0), np.repeat([COMMON, RARE], [100, 40])


def check_mean_and_modes(synthetic: Images, real: Images) -> None:
    """Check images of the rare class; the mean of one mode is off by 42, gray by 30 or more."""
    error = rms(synthetic.mean(axis=0) - real.mean(axis=0)).item()
    assert error < 15, f"the mean image is off by {error:.1f}"
    assert synthetic.mean() == pytest.approx(real.mean(), abs=10), "the mean gray level"
    shares = shares_of(synthetic)
    assert shares[:2].min() >= 0.2, f"shares of both modes and of the common class: {shares}"
    assert shares[:2].sum() > 0.5, f"shares of both modes and of the common class: {shares}"


def shares_of(synthetic: Images) -> Gray:
    """Return the shares of images near the first mode, the second and the common class."""
    half = synthetic.shape[-1] // 2
    quarters = synthetic.reshape(len(synthetic), 1, 2, half, 2, half).mean(axis=(3, 5))
    distances = np.stack([rms(quarters - kind) for kind in (*MODES, EMPTY)], axis=1)
    shares: Gray = np.mean(
        (distances < HALF_WAY) & (np.arange(3) == distances.argmin(axis=1)[:, None]), axis=0
    )
    return shares


def rms(differences: Gray) -> Gray:
    """Return the root mean square over (c, h, w)."""
    root: Gray = np.sqrt((differences**2).mean(axis=(-3, -2, -1)))
    return root


def generators() -> list[str]:
    """Name the first method of each generator; methods with equal settings make equal images."""
    first: dict[str, str] = {}
    for method in METHODS:
        if method.balance is not None:
            made = method.balance(Budget())
            first.setdefault(f"{type(made)} {made.get_params()}", method.name)
    return list(first.values())


def fit(name: str, effort: Effort) -> Any:
    [balance] = [method.balance for method in METHODS if method.name == name]
    assert balance is not None
    budget = Budget(gan_steps=effort.rounds, gan_channels=effort.channels, device="cpu")
    return balance(budget).fit(*toy(effort.side))


def check_learned(fitted: Any, side: int) -> None:
    images, labels = toy(side)
    check_mean_and_modes(
        fitted.generate(np.full(N_MADE, RARE), random_state=1), images[labels == RARE]
    )


def recorded(history: Any) -> Iterator[float]:
    """List the numbers of a history, or of histories by name."""
    for one in history.values() if isinstance(history, dict) else [history]:
        for row in one.rows:
            yield from row.values()


def test_generators_are_judged_once() -> None:
    names = set(generators())
    assert len(names) == 18
    assert set(EFFORTS) <= names
    assert names >= {"vae", "cdcgan"}
    assert not names & {"vae_transfer", "cdcgan_mix", "cdcgan_half", "cdcgan_crt"}


@pytest.mark.parametrize("name", generators())
def test_a_rare_class_is_learned(name: str) -> None:
    """Up to 40 s each."""
    effort = EFFORTS.get(name, Effort())
    fitted = fit(name, effort)
    numbers = list(recorded(fitted.history_))
    assert len(numbers) > 0
    assert all(math.isfinite(number) for number in numbers)
    check_learned(fitted, effort.side)


@pytest.mark.parametrize("name", generators())
def test_one_round_does_not_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collapse, "ALIKE_BELOW", 0.0)
    fitted = fit(name, Effort(1))
    with pytest.raises(AssertionError, match=r"mean (image|gray)|shares"):
        check_learned(fitted, Effort().side)


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="At 16 px the spot is anywhere: with 32 channels, 2,000 updates on all images, in 23, "
    "18, "
    "30 and 30 % of images in each quarter, and the mean image is off by 29. With patch=4, whose "
    "maps are 4 x 4 in place of 8 x 8, 96 % are in the right quarters. Probably only the borders "
    "of maps tell it a place.",
)
def test_a_denoiser_knows_places_on_larger_maps() -> None:
    check_learned(fit("edm", Effort()), Effort().side)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ([EMPTY], "mean image"),
        ([MODES[0]], "mean image"),
        ([MODES[0]] * 7 + [MODES[1]], "mean image"),
        ([(MODES[0] + MODES[1]) / 2], "shares of both"),
        ([EMPTY, MODES[0] + MODES[1] - EMPTY], "shares of both"),
        ([*MODES, EMPTY, MODES[0] + MODES[1] - EMPTY], "shares of both"),
    ],
    ids=[
        "common",
        "one mode",
        "hardly the other mode",
        "blends",
        "none or both",
        "half of them wrong",
    ],
)
def test_other_images_do_not_do(kinds: list[Gray], message: str) -> None:
    images, labels = toy(16)
    made = draw(kinds * (N_MADE // len(kinds)), 16, seed=1)
    with pytest.raises(AssertionError, match=message):
        check_mean_and_modes(made, images[labels == RARE])


def test_new_images_of_the_class_do() -> None:
    images, labels = toy(16)
    check_mean_and_modes(draw([*MODES] * (N_MADE // 2), 16, seed=1), images[labels == RARE])
