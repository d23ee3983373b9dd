import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.pipeline import Pipeline

from equipoise.data.dataset import ImageDataset
from equipoise.experiments.running.executors import InProcess, Processes
from equipoise.experiments.running.forecast import estimate, makespan
from equipoise.experiments.running.load_generator import busy_cores
from equipoise.experiments.running.probes import (
    LEAST_PER_CLASS,
    MOST_SECONDS,
    stratified_sample,
)
from equipoise.experiments.running.progress import announcement
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.runs.store import RunStore

MakeStudy = Callable[..., Study]
OF_CLASSIFIER = 3.0 + 0.25 * 400  # what the fakes take for so many steps
OF_COPIES = 1.0 + 0.5 * 900


@pytest.fixture
def long_study(make_study: MakeStudy, fakes: Any) -> Study:
    classify = ("classify", fakes.NearestMean(n_steps=400))
    copies = ("balance", fakes.NoisyCopies(n_steps=900))
    methods = {"none": Pipeline([classify]), "copies": Pipeline([copies, classify])}
    return make_study(methods=methods)


def test_time_is_extrapolated_from_a_few_steps(
    long_study: Study, fakes: Any, tmp_path: Path
) -> None:
    forecast = estimate(long_study, RunStore(tmp_path), InProcess(), clock=fakes.Watch.read)
    assert forecast.seconds == pytest.approx(
        {"none": OF_CLASSIFIER, "copies": OF_CLASSIFIER + OF_COPIES}
    )
    assert forecast.total == pytest.approx(4 * (2 * OF_CLASSIFIER + OF_COPIES))
    assert (len(forecast.remaining), forecast.n_finished) == (8, 0)


def test_equal_steps_are_tried_once_and_for_few_steps(
    long_study: Study, fakes: Any, tmp_path: Path
) -> None:
    estimate(long_study, RunStore(tmp_path), InProcess(), clock=fakes.Watch.read)
    assert len(fakes.NearestMean.fits) == 6  # three of one step, then of 2, 4 and 8
    assert len(fakes.NoisyCopies.seen) <= 6


def test_what_trains_inside_a_step_is_probed_too(
    make_study: MakeStudy, fakes: Any, tmp_path: Path
) -> None:
    nested = fakes.Pretrained(n_steps=400, pretraining=fakes.NearestMean(n_steps=1000))
    study = make_study(methods={"none": Pipeline([("classify", nested)])})
    forecast = estimate(study, RunStore(tmp_path), InProcess(), clock=fakes.Watch.read)
    assert forecast.seconds["none"] == pytest.approx(OF_CLASSIFIER + 3.0 + 0.25 * 1000)
    assert len(fakes.NearestMean.fits) == 10  # three short ones of both, one longer of each


def test_probes_grow_until_they_can_be_timed(long_study: Study, fakes: Any, tmp_path: Path) -> None:
    ticks = iter(np.arange(0, 1e6, 0.05))
    estimate(long_study, RunStore(tmp_path), InProcess(), clock=lambda: float(next(ticks)))
    assert 4 <= len(fakes.NearestMean.fits) <= 12


def test_timing_ends_where_the_machine_is_busy(
    long_study: Study, fakes: Any, tmp_path: Path
) -> None:
    """A first fit that another program holds up for minutes is the last one of a new kind."""

    def clock() -> float:
        return float(fakes.Watch.read()) + 2 * MOST_SECONDS * bool(fakes.NearestMean.fits)

    methods = {**long_study.methods, "same": long_study.methods["none"]}
    study = replace(long_study, methods=methods)
    forecast = estimate(study, RunStore(tmp_path), InProcess(), clock=clock)
    assert forecast.untimed == ["copies"]
    assert forecast.seconds["copies"] == forecast.seconds["none"] == forecast.seconds["same"] > 0
    assert len(fakes.NearestMean.fits) == 3  # warm-up, one step, two steps
    assert fakes.NoisyCopies.seen == []
    assert "1 of 3 methods count as the mean" in announcement(forecast)


def test_workers_share_the_work(long_study: Study, fakes: Any, tmp_path: Path) -> None:
    forecast = estimate(long_study, RunStore(tmp_path), Processes(2), clock=fakes.Watch.read)
    assert forecast.total == pytest.approx(4 * (OF_CLASSIFIER + OF_COPIES / 2), rel=0.35)
    assert forecast.total >= 2 * (2 * OF_CLASSIFIER + OF_COPIES)


def test_neighbors_end_with_the_block() -> None:
    with busy_cores(2) as neighbors:
        assert len(neighbors) == 2
        assert {process.poll() for process in neighbors} == {None}
    assert {process.poll() for process in neighbors} == {-signal.SIGKILL}
    with busy_cores(-1) as neighbors:
        assert neighbors == []


def test_finished_cells_cost_nothing(make_study: MakeStudy, fakes: Any, tmp_path: Path) -> None:
    study, store = make_study(seeds=(0,)), RunStore(tmp_path)
    run_study(study, store, executor=InProcess())
    fakes.NearestMean.fits.clear()
    forecast = estimate(study, store, InProcess(), clock=fakes.Watch.read)
    assert (forecast.total, forecast.n_finished, fakes.NearestMean.fits) == (0, 6, [])


def test_what_cannot_be_trained_does_not_stop_the_estimate(
    make_study: MakeStudy, fakes: Any, tmp_path: Path
) -> None:
    methods = {
        "none": make_study().methods["none"],
        "bad": Pipeline([("classify", fakes.NearestMean(trouble="no"))]),
    }
    forecast = estimate(
        make_study(methods=methods), RunStore(tmp_path), InProcess(), clock=fakes.Watch.read
    )
    assert forecast.seconds["bad"] == 0
    assert forecast.seconds["none"] > 0
    assert list(forecast.failing) == ["bad"]
    assert forecast.failing["bad"] in announcement(forecast)


def test_long_timing_shows_which_method_is_timed(
    long_study: Study, fakes: Any, tmp_path: Path
) -> None:
    begun = []
    estimate(
        long_study,
        RunStore(tmp_path),
        InProcess(),
        clock=fakes.Watch.read,
        began=lambda *place: begun.append(place),
    )
    assert begun == [("none", 1, 2), ("copies", 2, 2)]


@given(st.lists(st.floats(0, 100), max_size=20), st.integers(1, 6))
@settings(deadline=None, max_examples=50)
def test_makespan_is_between_its_bounds(durations: list[float], n_workers: int) -> None:
    ends = makespan(durations, n_workers)
    assert ends >= max(durations, default=0.0)
    assert ends >= sum(durations) / n_workers - 1e-9
    assert ends <= sum(durations) + 1e-9


def test_a_probe_of_much_data_keeps_every_class() -> None:
    labels = np.repeat([0, 1, 2], [9000, 1000, 40]).astype(np.int64)
    dataset = ImageDataset(
        images=np.zeros((len(labels), 1, 2, 2), np.uint8),
        labels=labels,
        class_names=("a", "b", "c"),
        groups=np.arange(len(labels)),
        ids=np.arange(len(labels)).astype(str),
    )
    kept = np.bincount(labels[stratified_sample(np.arange(len(labels)), dataset)])
    assert kept.tolist() == [1792, 199, LEAST_PER_CLASS]
