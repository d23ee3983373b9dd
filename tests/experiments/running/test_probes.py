import math
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from equipoise.arrays import Images, Scores
from equipoise.curation.dosed import DosedOversampler
from equipoise.estimators.classifier import ImageClassifier
from equipoise.exceptions import CollapseError
from equipoise.experiments.running import probes
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.forecast import estimate
from equipoise.experiments.running.probes import ImageProbe, VolumeProbe, step_counts
from equipoise.experiments.study import Study
from equipoise.resampling.gan.presets import from_preset
from equipoise.runs.store import RunStore
from equipoise.training import collapse

MakeStudy = Callable[..., Study]


class Clock:
    """Every fit takes a second per step and 3 more, every segmentation of a case 2.

    `delays` are further seconds of the first fits, which another program costs.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.delays: list[float] = []

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, volume_fakes: object) -> Clock:
    fake_clock = Clock()
    fake = volume_fakes.NearestMeanSegmenter  # type: ignore[attr-defined]
    fit, predict = fake.fit, fake.predict

    def slow_fit(self, *arguments, **named):  # type: ignore[no-untyped-def]
        delay = fake_clock.delays.pop(0) if fake_clock.delays else 0.0
        fake_clock.now += 3 + self.n_steps + delay
        return fit(self, *arguments, **named)

    def slow_predict(self, images, mask):  # type: ignore[no-untyped-def]
        fake_clock.now += 2
        return predict(self, images, mask)

    monkeypatch.setattr(fake, "fit", slow_fit)
    monkeypatch.setattr(fake, "predict", slow_predict)
    return fake_clock


def test_steps_and_test_cases_are_extrapolated(make_volume_study: MakeStudy, clock: Clock) -> None:
    study = make_volume_study()
    step = study.methods["random"].steps[-1][1].set_params(n_steps=100)
    n_test = len(study.splits[0].test)
    assert VolumeProbe(study, clock).seconds(step) == pytest.approx(3 + 100 + 2 * n_test)


def test_a_delay_is_spread_over_a_few_steps(
    make_volume_study: MakeStudy, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "SECONDS_FOR_FEW", 100.0)
    study = make_volume_study()
    step = study.methods["random"].steps[-1][1].set_params(n_steps=100)
    clock.delays = [0.0, 0.0, 0.0, 0.0, 0.0, 0.7]  # of the fit with 8 steps
    n_test = len(study.splits[0].test)
    assert VolumeProbe(study, clock).seconds(step) == pytest.approx(3 + 110 + 2 * n_test, abs=0.2)


@pytest.mark.parametrize("delays", [[9.0, 0.8, 0.0], [9.0, 0.0, 0.8]])
def test_a_delay_of_a_short_fit_is_not_taken_off_every_step(
    make_volume_study: MakeStudy, clock: Clock, delays: list[float]
) -> None:
    """The first fit only warms up; of the two that follow one is delayed."""
    study = make_volume_study()
    step = study.methods["random"].steps[-1][1].set_params(n_steps=100)
    clock.delays = delays
    n_test = len(study.splits[0].test)
    assert VolumeProbe(study, clock).seconds(step) == pytest.approx(3 + 100 + 2 * n_test)


def test_a_short_study_is_probed_for_a_share_of_its_time(
    make_volume_study: MakeStudy, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PROBE_SECONDS", 1000.0)
    spent = []
    for n_seeds in (1, 1000):
        study = make_volume_study(seeds=tuple(range(n_seeds)))
        step = study.methods["random"].steps[-1][1].set_params(n_steps=400)
        before = clock.now
        n_test = len(study.splits[0].test)
        assert VolumeProbe(study, clock).seconds(step) == pytest.approx(3 + 400 + 2 * n_test)
        spent.append(clock.now - before)
    fewest = 3 * 4 + (3 + 2) + (3 + 4) + 2  # three fits of a step, more steps, a segmentation
    assert fewest <= spent[0] < 100
    assert spent[1] > 500


def test_a_study_of_volumes_has_a_forecast(make_volume_study: MakeStudy, tmp_path: Path) -> None:
    study, store = make_volume_study(), RunStore(tmp_path / "run")
    forecast = estimate(study, store, InProcess())
    assert set(forecast.seconds) == set(study.methods)
    assert len(forecast.remaining) == 12


def test_a_generator_whose_first_images_are_alike_is_timed(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collapse, "ALIKE_BELOW", 10.0)
    study = make_study()
    step = from_preset("dcgan", n_steps=4, batch_size=4, base_channels=4, device="cpu")
    images = study.images.subset(study.splits[0].train)
    with pytest.raises(CollapseError):
        clone(step).set_params(schedule__n_steps=1).fit(images.images, images.labels)
    probe = ImageProbe(study, perf_counter)
    assert probe.seconds(step) > 0
    assert probe.failure(step) == ""


@pytest.mark.parametrize("inside", [False, True], ids=["plain", "dosed"])
def test_epochs_of_a_gan_are_probed_as_steps(make_study: MakeStudy, *, inside: bool) -> None:
    study = make_study()
    generator = from_preset("s4_dcgan")  # 200 epochs in batches of 128
    step = DosedOversampler(generator, per_class=5) if inside else generator
    counted = ImageProbe(study, lambda: 0.0).in_steps(step)
    per_class = round(len(study.splits[0].train) / len(study.images.class_names))
    assert list(step_counts(counted).values()) == [math.ceil(200 * per_class / 128)]
    assert (counted.generator if inside else counted).schedule.n_epochs is None
    assert generator.schedule.n_epochs == 200


def test_methods_that_do_the_same_work_are_timed_once(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[Any] = []

    def measure(_probe: ImageProbe, step: Any) -> float:
        timed.append(step)
        return 1.0

    monkeypatch.setattr(ImageProbe, "_measure", measure)
    probe = ImageProbe(make_study(), lambda: 0.0)
    for loss in ("cross_entropy", "focal", "ldam"):
        assert probe.seconds(ImageClassifier(loss=loss)) == 1.0
    assert len(timed) == 1
    probe.seconds(ImageClassifier(second_stage="crt"))
    assert len(timed) == 2


@pytest.mark.parametrize("n_weights", [1, 2])
def test_all_predictions_of_a_cell_are_extrapolated_from_few_images(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch, n_weights: int
) -> None:
    monkeypatch.setattr(probes, "MOST_VALIDATION", 2)
    clock = SimpleNamespace(now=0.0)

    def predict_proba(images: Images) -> Scores:
        clock.now += 0.5 * len(images)
        return np.zeros((len(images), 2))

    study = make_study()
    probe = ImageProbe(study, lambda: clock.now)
    fitted = SimpleNamespace(predict_proba=predict_proba)
    if n_weights == 2:
        fitted.predict_proba_other = predict_proba
    seconds = probe.application_seconds(SimpleNamespace(n_steps=100, evaluate_every=25), fitted)
    assert clock.now <= 0.5 * 2 * 2
    split = study.splits[0]
    n_validation, n_test = len(split.validation), len(split.test)
    assert seconds == 0.5 * (4 * n_validation + n_weights * (n_validation + n_test))
