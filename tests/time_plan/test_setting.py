"""Regime, network and size before anything is read, with injected measurements and weights."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from equipoise.arrays import Images
from equipoise.exceptions import WeightsError
from equipoise.experiments.protocol import Budget
from equipoise.time_plan.plan import FixedChoices, TrainingSetting
from equipoise.time_plan.setting import (
    RegimeChoice,
    choose_regime,
    choose_setting,
    largest_affordable,
    sides_for,
)
from equipoise.time_plan.survey import Survey


@dataclass
class FakeShelf:
    here: bool = True
    online: bool = True
    fetched: list[str] = field(default_factory=list)

    def has_weights(self, network: str) -> bool:
        return network != "small_cnn"

    def is_here(self, network: str) -> bool:
        return self.here

    def fetch(self, network: str) -> None:
        if not self.online:
            raise WeightsError("Cannot download the weights: no connection. More.")
        self.fetched.append(network)


@dataclass
class FakeMeter:
    """Seconds that grow with the number of pixels: 1 s at 100 px."""

    factor: float = 1.0
    measured: list[int] = field(default_factory=list)

    def feature_seconds(self, setting: TrainingSetting, channels: int) -> float:
        self.measured.append(setting.size)
        return self.factor * (setting.size / 100) ** 2

    def step_seconds(self, setting: TrainingSetting, channels: int) -> float:
        return self.feature_seconds(setting, channels)

    def extractor_seconds(self, images: Images) -> Sequence[float]:
        raise AssertionError

    def cores_of_others(self) -> float:
        return 0.0


def regime_of(fixed: FixedChoices, shelf: FakeShelf | None = None) -> RegimeChoice:
    lines: list[str] = []
    return choose_regime(fixed, Budget(), shelf or FakeShelf(), lines.append)


@pytest.mark.parametrize(
    ("fixed", "expected"),
    [
        (FixedChoices(), ("frozen", "mobilenet_v2", "official")),
        (FixedChoices(n_steps=300), ("scratch", "small_cnn", None)),
        (FixedChoices(regime="scratch"), ("scratch", "small_cnn", None)),
        (FixedChoices(network="small_cnn"), ("scratch", "small_cnn", None)),
        (FixedChoices(network="resnet18"), ("frozen", "resnet18", "official")),
        (FixedChoices(pretrained="imagenet"), ("frozen", "mobilenet_v2", "imagenet")),
        (FixedChoices(regime="finetune"), ("finetune", "mobilenet_v2", "official")),
        (
            FixedChoices(regime="frozen", network="small_cnn", pretrained="random"),
            ("frozen", "small_cnn", "random"),
        ),
        (FixedChoices(methods=("none", "mixup")), ("scratch", "small_cnn", None)),
        (FixedChoices(methods=("none", "crt")), ("frozen", "mobilenet_v2", "official")),
    ],
)
def test_options_restrict_the_regime(
    fixed: FixedChoices, expected: tuple[str, str, str | None]
) -> None:
    regime = regime_of(fixed)
    assert (regime.regime, regime.network, regime.pretrained) == expected


def test_weights_are_fetched_with_a_word() -> None:
    shelf, lines = FakeShelf(here=False), list[str]()
    regime = choose_regime(FixedChoices(), Budget(), shelf, lines.append)
    assert (regime.regime, shelf.fetched) == ("frozen", ["mobilenet_v2"])
    assert "mobilenet_v2" in lines[0]


def test_without_weights_all_layers_are_trained() -> None:
    regime = regime_of(FixedChoices(), FakeShelf(here=False, online=False))
    assert (regime.regime, regime.network) == ("scratch", "small_cnn")
    assert "equipoise weights fetch mobilenet_v2" in regime.reason


@pytest.mark.parametrize(
    ("side", "small", "expected"),
    [
        (130, False, (64, 96, 128)),
        (1000, False, (64, 96, 128, 160, 192, 224)),
        (64, True, (32, 48, 64)),
        (40, False, (40,)),
        (28, True, (28,)),
        (33, False, (32,)),
        (9, False, (8,)),
    ],
)
def test_images_are_never_enlarged(side: int, small: bool, expected: tuple[int, ...]) -> None:
    assert sides_for(side, small=small) == expected


def test_the_cost_is_measured_from_the_largest_side_on() -> None:
    measured: list[int] = []

    def cost(side: int) -> float:
        measured.append(side)
        return side**2 / 100

    assert largest_affordable((64, 96, 128, 160, 192), cost, 100.0) == (96, 92.16)
    assert measured == [192, 96]
    assert largest_affordable((64, 96), cost, 1.0) == (64, 40.96)


FROZEN = RegimeChoice(regime="frozen", network="m", pretrained="official", reason="")
SCRATCH = RegimeChoice(regime="scratch", network="m", pretrained=None, reason="")
SURVEY = Survey(n_images=1000, side=150, channels=1)


@pytest.mark.parametrize(
    ("factor", "size"), [(0.01, 128), (0.2, 128), (0.3, 96), (1.0, 64), (50.0, 64)]
)
def test_features_take_a_third_of_the_time_at_most(factor: float, size: int) -> None:
    meter = FakeMeter(factor)
    setting = choose_setting(FROZEN, FixedChoices(), SURVEY, meter, seconds=1000.0, n_workers=2)
    assert setting.size == size
    assert setting.unit_seconds == pytest.approx(meter.feature_seconds(setting, 1))
    if size > 64:
        assert setting.unit_seconds * SURVEY.n_images <= 1000 / 3


def test_a_named_size_is_kept() -> None:
    fixed = FixedChoices(size=512)
    setting = choose_setting(FROZEN, fixed, SURVEY, FakeMeter(), seconds=10.0, n_workers=1)
    assert setting.size == 512


@pytest.mark.parametrize(("n_workers", "seconds"), [(1, 2000.0), (2, 1000.0)])
def test_the_size_of_trained_networks_leaves_time_for_splits(
    n_workers: int, seconds: float
) -> None:
    """At 48 px six methods x five splits x 600 steps take .05 * .2304 s each: 207 s."""
    setting = choose_setting(
        SCRATCH, FixedChoices(), SURVEY, FakeMeter(0.05), seconds=seconds, n_workers=n_workers
    )
    assert setting.size == 96
    assert setting.unit_seconds == pytest.approx(0.05 * 0.96**2)
    more_methods = FixedChoices(methods=("none",) * 60)
    setting = choose_setting(
        SCRATCH, more_methods, SURVEY, FakeMeter(0.05), seconds=seconds, n_workers=n_workers
    )
    assert setting.size == 32
