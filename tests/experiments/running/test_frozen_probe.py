"""The forecast of a study on frozen features knows features, heads and synthetic images."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from imblearn.pipeline import Pipeline

from equipoise.estimators.frozen.classifier import FrozenClassifier
from equipoise.estimators.frozen.extractor import FrozenExtractor
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.forecast import estimate
from equipoise.experiments.running.frozen_probe import PROBED, FrozenProbe
from equipoise.experiments.running.preparation import prepare_study
from equipoise.experiments.running.progress import announcement
from equipoise.experiments.study import Study
from equipoise.resampling.smote import SMOTEOversampler
from equipoise.runs.store import RunStore

MakeStudy = Callable[..., Study]
SECONDS = 0.5  # of an image in a view


class Clock:
    """Stands still but for images that pass the network, and a second for each head."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    compute = FrozenExtractor._compute

    def slow(self: FrozenExtractor, images, view, progress):  # type: ignore[no-untyped-def]
        clock.now += SECONDS * PROBED * -(-len(images) // PROBED)
        return compute(self, images, view, progress)

    monkeypatch.setattr(FrozenExtractor, "_compute", slow)
    return clock


@pytest.fixture
def study(make_study: MakeStudy) -> Study:
    classifier = FrozenClassifier(
        network="small_cnn", pretrained="random", n_views=2, layers=("penultimate",), device="cpu"
    )
    methods = {
        "none": Pipeline([("classify", classifier)]),
        "smote": Pipeline([("balance", SMOTEOversampler()), ("classify", classifier)]),
    }
    return make_study(methods=methods, seeds=(0,))


def test_missing_features_are_counted_in_every_view(
    study: Study, clock: Clock, tmp_path: Path
) -> None:
    used = set()
    for split in study.splits:
        used |= {*split.train.tolist(), *split.validation.tolist(), *split.test.tolist()}
    store = RunStore(tmp_path)
    forecast = estimate(study, store, InProcess(), clock=clock)
    assert forecast.preparation == pytest.approx(2 * len(used) * SECONDS)
    assert "features that all cells share" in announcement(forecast)
    prepare_study(study, store.workspace)
    again = estimate(study, store, InProcess(), clock=clock)
    assert again.preparation == 0.0
    assert "share" not in announcement(again)


def test_synthetic_images_pass_the_network_in_the_cell(study: Study, clock: Clock) -> None:
    probe = FrozenProbe(study, clock)
    counts = study.images.subset(study.splits[0].train).counts
    n_synthetic = int((counts.max() - counts).sum())
    seconds = {name: probe.cell_seconds(method.steps) for name, method in study.methods.items()}
    assert seconds["none"] == 0.0  # the head takes none by this clock
    assert seconds["smote"] == pytest.approx(2 * n_synthetic * SECONDS)


def test_heads_are_timed_once_for_each_kind(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[str] = []

    def time_head(settings, counts, **_named):  # type: ignore[no-untyped-def]
        timed.append(settings.head_kind)
        return 2.0

    monkeypatch.setattr("equipoise.experiments.running.frozen_probe.time_head", time_head)
    probe = FrozenProbe(study, lambda: 0.0)
    steps = study.methods["none"].steps
    assert probe.cell_seconds(steps) == pytest.approx(2.0)
    classifier = steps[-1][1]
    for loss in ("focal", "ldam"):  # a loss alone changes no work, its cosines do
        settings = {**classifier.get_params(), "loss": loss}
        probe.cell_seconds([("classify", FrozenClassifier(**settings))])
    assert timed == ["linear", "cosine"]


def test_a_head_on_drawn_features_takes_time(study: Study, tmp_path: Path) -> None:
    only = replace(study, methods={"none": study.methods["none"]})
    forecast = estimate(only, RunStore(tmp_path), InProcess())
    assert forecast.seconds["none"] > 0.0
