import math
from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.curation.dosed import DosedOversampler
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.forecast import estimate
from equipoise.experiments.running.probes import ImageProbe, VolumeProbe, step_counts
from equipoise.experiments.study import Study
from equipoise.resampling.gan.presets import from_preset
from equipoise.runs.store import RunStore

MakeStudy = Callable[..., Study]


class Clock:
    """Every fit takes a second per step and 3 more, every segmentation of a case 2."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, volume_fakes: object) -> Clock:
    fake_clock = Clock()
    fake = volume_fakes.NearestMeanSegmenter  # type: ignore[attr-defined]
    fit, predict = fake.fit, fake.predict

    def slow_fit(self, *arguments, **named):  # type: ignore[no-untyped-def]
        fake_clock.now += 3 + self.n_steps
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


def test_a_study_of_volumes_has_a_forecast(make_volume_study: MakeStudy, tmp_path: Path) -> None:
    study, store = make_volume_study(), RunStore(tmp_path / "run")
    forecast = estimate(study, store, InProcess())
    assert set(forecast.seconds) == set(study.methods)
    assert len(forecast.remaining) == 12


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
