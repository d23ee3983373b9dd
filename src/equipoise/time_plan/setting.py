"""Settle regime, network and image size before any image is read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from equipoise.arrays import Images
from equipoise.exceptions import WeightsError
from equipoise.experiments.methods.catalogue import METHODS
from equipoise.experiments.methods.doses import find_method
from equipoise.experiments.protocol import (
    CHEAP_METHODS,
    FROZEN,
    OFFICIAL,
    PRETRAINED_NETWORK,
    SCRATCH,
    Budget,
)
from equipoise.networks.sizes import valid_sizes
from equipoise.time_plan.plan import FixedChoices, TrainingSetting
from equipoise.time_plan.survey import Survey

SIDES = (64, 96, 128, 160, 192, 224)  # px; more on request
SMALL_SIDES = (32, 48)  # px; also tried where all layers are trained, which takes long
GENERATOR_SIDE = 64  # px at which generators work on larger images
FEATURE_SHARE = 1 / 3  # of the time that features may take
TRAINING_SHARE = 1 / 2  # of the time that `TYPICAL_STEPS` on `TYPICAL_SPLITS` may take
TYPICAL_STEPS, TYPICAL_SPLITS = 600, 5  # to choose a size with, before anything is measured on it

HEADS = "features are computed once and heads take seconds, so that many splits fit"

Say = Callable[[str], None]


class Meter(Protocol):
    """Measures how fast this machine is; replaced in tests."""

    def feature_seconds(self, setting: TrainingSetting, channels: int) -> float:
        """Return the seconds in which the features of an image are computed, all views."""

    def step_seconds(self, setting: TrainingSetting, channels: int) -> float:
        """Return the seconds of an optimizer step of the baseline while all workers are busy."""

    def extractor_seconds(self, images: Images) -> Sequence[float]:
        """Return the seconds of an image in each extractor that measures synthetic images."""

    def cores_of_others(self) -> float:
        """Return the number of cores that other programs keep busy."""


class WeightsShelf(Protocol):
    """Finds pretrained weights; replaced in tests."""

    def has_weights(self, network: str) -> bool:
        """Return whether there are official weights of a network, here or elsewhere."""

    def is_here(self, network: str) -> bool:
        """Return whether the official weights of a network are on this machine."""

    def fetch(self, network: str) -> None:
        """Download the official weights of a network.

        Raises:
            WeightsError: They cannot be downloaded.
        """


@dataclass(frozen=True, kw_only=True)
class RegimeChoice:
    """A regime with its network and weights, and why."""

    regime: str
    network: str
    pretrained: str | None
    reason: str


def choose_regime(
    fixed: FixedChoices, budget: Budget, shelf: WeightsShelf, say: Say
) -> RegimeChoice:
    """Choose regime, network and weights as far as they are open.

    Args:
        fixed: What the user has chosen.
        budget: Network of "scratch" where none is named.
        shelf: Where weights are looked for.
        say: Receives a sentence before weights are downloaded.
    """
    network = fixed.network or PRETRAINED_NETWORK
    why_scratch = _why_scratch(fixed, network, shelf)
    if why_scratch:
        return _scratch(fixed, budget, why_scratch)
    if fixed.regime is not None or fixed.pretrained is not None:
        reason = (
            "named (--regime)" if fixed.regime else f"weights are named (--pretrained): {HEADS}"
        )
        return RegimeChoice(
            regime=fixed.regime or FROZEN,
            network=network,
            pretrained=fixed.pretrained or OFFICIAL,
            reason=reason,
        )
    try:
        here = fetched_or_here(network, shelf, say)
    except WeightsError as error:
        say(f"{str(error).split('. ', maxsplit=1)[0]}. All layers are trained instead.")
        reason = (
            f"no pretrained weights are at hand; `equipoise weights fetch {network}` gets them on "
            "a machine with a connection"
        )
        return _scratch(fixed, budget, reason)
    reason = f"pretrained {network} is {here}: {HEADS}"
    return RegimeChoice(regime=FROZEN, network=network, pretrained=OFFICIAL, reason=reason)


def fetched_or_here(network: str, shelf: WeightsShelf, say: Say) -> str:
    """Return "on this machine", or download the weights of a network and return "fetched".

    Raises:
        WeightsError: They cannot be downloaded.
    """
    if shelf.is_here(network):
        return "on this machine"
    say(f"Fetching the pretrained weights of {network}, once.")
    shelf.fetch(network)
    return "fetched"


def _why_scratch(fixed: FixedChoices, network: str, shelf: WeightsShelf) -> str:
    """Return why all layers are trained whatever weights are at hand; "" where it is open."""
    if fixed.regime is not None:
        return "named (--regime)" if fixed.regime == SCRATCH else ""
    if fixed.n_steps is not None:
        return "steps are named (--steps), which frozen heads do not have"
    refused = refused_method(fixed.methods or ())
    if refused:
        return f"{refused} makes no sense on frozen features (--methods)"
    if fixed.pretrained is None and not shelf.has_weights(network):
        return f"{network} has no pretrained weights (--network)"
    return ""


def refused_method(methods: Sequence[str]) -> str:
    """Return the first method that makes no sense on frozen features; "" where all do.

    Example:
        >>> refused_method(["none", "mixup"]), refused_method(["none", "dcgan@0.5"])
        ('mixup', '')
    """
    for method in methods:
        if not find_method(method, METHODS).suits(Budget(regime=FROZEN)):
            return method
    return ""


def _scratch(fixed: FixedChoices, budget: Budget, reason: str) -> RegimeChoice:
    network = fixed.network or budget.network
    return RegimeChoice(regime=SCRATCH, network=network, pretrained=fixed.pretrained, reason=reason)


def choose_setting(
    regime: RegimeChoice,
    fixed: FixedChoices,
    survey: Survey,
    meter: Meter,
    *,
    seconds: float,
    n_workers: int,
) -> TrainingSetting:
    """Choose the image size for a regime.

    The size is the largest that is not above the median of the smaller sides of the images, and
    whose features, or whose training, leave the time for splits.
    """
    reasons = {"regime": regime.reason}
    setting = TrainingSetting(
        regime=regime.regime,
        network=regime.network,
        pretrained=regime.pretrained,
        size=fixed.size or survey.side,
        n_steps=fixed.n_steps,
    )

    n_steps = (fixed.n_steps or TYPICAL_STEPS) * (fixed.n_splits or TYPICAL_SPLITS)
    n_steps *= len(fixed.methods or CHEAP_METHODS)
    n_repeats = survey.n_images if setting.frozen else n_steps / n_workers

    def cost(size: int) -> float:
        """Return the seconds of all features, or of a typical training, at a size."""
        measure = meter.feature_seconds if setting.frozen else meter.step_seconds
        return n_repeats * measure(replace(setting, size=size), survey.channels)

    share = FEATURE_SHARE if setting.frozen else TRAINING_SHARE
    if fixed.size is None:
        sides = sides_for(survey.side, small=not setting.frozen)
        size, seconds_of_all = largest_affordable(sides, cost, share * seconds)
        reasons["size"] = size_reason(size, survey.side, sides)
    else:
        size, seconds_of_all = fixed.size, cost(fixed.size)
        reasons["size"] = "named (--size)"
    gan_side = fixed.gan_side or (GENERATOR_SIDE if size > GENERATOR_SIDE else None)
    return replace(
        setting,
        size=size,
        gan_side=gan_side,
        unit_seconds=seconds_of_all / n_repeats,
        reasons=reasons,
    )


def sides_for(side: int, *, small: bool) -> tuple[int, ...]:
    """Return the sides that images of a side may be resized to, increasing; never enlarged.

    Example:
        >>> sides_for(130, small=False), sides_for(28, small=False)
        ((64, 96, 128), (28,))
    """
    sides = (*SMALL_SIDES, *SIDES) if small else SIDES
    candidates = tuple(candidate for candidate in sides if candidate <= side)
    if side < SIDES[0]:  # small images stay what they are, as far as generators can work on them
        usable = [valid for valid in valid_sizes(side) if valid >= side // 2]
        candidates = (usable[-1],) if usable else (side,)
    return candidates


def largest_affordable(
    sides: Sequence[int], cost: Callable[[int], float], most: float
) -> tuple[int, float]:
    """Return the largest side that costs at most `most` seconds, or the smallest; and its cost.

    The cost is measured from the largest side on. Where that is too much, the next one tried is the
    largest that would be affordable if the cost grew with the number of pixels.

    Example:
        >>> largest_affordable((64, 96, 128), lambda side: side**2 / 100, most=100.0)
        (96, 92.16)
    """
    i = len(sides) - 1
    while True:
        seconds = cost(sides[i])
        if seconds <= most or i == 0:
            return sides[i], seconds
        side = sides[i]
        i -= 1
        while i > 0 and seconds * (sides[i] / side) ** 2 > most:
            i -= 1


def size_reason(size: int, side: int, candidates: Sequence[int]) -> str:
    """Return why a size was chosen."""
    if size == candidates[-1]:
        return f"the largest that does not enlarge the median image (smaller side {side} px)"
    return f"larger images (the median has a smaller side of {side} px) leave no time for splits"
