"""Fits that stopped too early are told from those that settled, whatever the noise of the loss."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.results.regime.learning import (
    LEAST_SHARE,
    Curve,
    LossTrend,
    curves_of,
    loss_trend,
    unsettled_fits,
    validation_improves,
    validation_learned,
)
from equipoise.runs.outcome import HistoryRow, write_history
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]
STEPS = np.arange(10.0, 610.0, 10.0)


def spent(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Learning rate spent up to a share of the steps of a cosine schedule, 0 to 1."""
    return share + np.sin(np.pi * share) / np.pi


def drawn_loss(
    half_life: float, *, noise: float = 0.03, seed: int = 0, annealed: float = 0.0
) -> Curve:
    """Draw a loss that halves its distance from 0.2 whenever `half_life` of the rate is spent.

    A falling learning rate averages out the noise of the weights: `annealed` is what that gains.
    """
    share = STEPS / STEPS[-1]
    level = 0.2 + 0.5 * 0.5 ** (spent(share) / half_life) - annealed * share
    rng = np.random.default_rng(seed)
    return np.stack([STEPS, level + noise * rng.normal(size=len(STEPS))], axis=1)


def trend_of(curves: list[Curve]) -> LossTrend:
    trend = loss_trend(curves)
    assert trend is not None
    return trend


def test_a_settled_fit_is_left_alone_and_a_short_one_is_not() -> None:
    """100 drawn studies of each kind, of three runs."""
    settled, short = 0, 0
    for study in range(100):
        runs = [drawn_loss(0.1, seed=10 * study + i, annealed=0.02) for i in range(3)]
        settled += trend_of(runs).still_falls("cosine")
        runs = [drawn_loss(2.0, noise=0.007, seed=10 * study + i) for i in range(3)]
        short += trend_of(runs).still_falls("cosine")
    assert settled == 0
    assert short >= 80


def test_a_loss_without_a_trend_is_noise() -> None:
    flat = np.stack([STEPS, 0.7 + 0.1 * np.random.default_rng(0).normal(size=60)], axis=1)
    trend = trend_of([flat])
    assert trend.hardly_fell
    assert not trend.still_falls("cosine")


def test_a_straight_line_is_straight_under_each_schedule() -> None:
    share = STEPS / STEPS[-1]
    cosine = np.stack([STEPS, 2 - spent(share)], axis=1)
    constant = np.stack([STEPS, 2 - share], axis=1)
    assert trend_of([cosine]).share == pytest.approx(0.22, abs=0.01)
    assert trend_of([constant]).share == pytest.approx(0.5, abs=0.01)
    assert not trend_of([cosine]).still_falls("constant")


def test_the_least_share_is_that_of_a_half_life_of_seven_tenths() -> None:
    cosine = 0.5 ** (spent(STEPS / STEPS[-1]) / 0.7)
    constant = 0.5 ** (STEPS / STEPS[-1] / 0.7)
    for schedule, loss in {"cosine": cosine, "constant": constant}.items():
        share = trend_of([np.stack([STEPS, loss], axis=1)]).share
        assert share == pytest.approx(LEAST_SHARE[schedule], abs=0.01)


def test_eleven_rows_are_too_few() -> None:
    assert loss_trend([drawn_loss(0.1)[:11]]) is None


def test_validation_improves_where_one_measure_does() -> None:
    rising = np.stack([STEPS, np.linspace(0.6, 0.9, 60)], axis=1)
    flat = np.stack([STEPS, np.full(60, 0.8)], axis=1)
    assert validation_improves({"validation_auroc": [rising], "validation_loss": [flat]})
    assert validation_improves({"validation_auroc": [flat], "validation_loss": [rising]}) is False
    assert validation_improves({"validation_auroc": [flat], "validation_loss": [1 - rising]})
    assert validation_improves({"validation_auroc": []}) is None
    assert validation_learned({"validation_auroc": [rising]})
    assert not validation_learned({"validation_auroc": [rising - 0.4]})


def test_the_second_stage_is_not_looked_at_and_both_networks_of_a_cascade_are() -> None:
    points = [(1.0, 0.5), (2.0, 0.4)]
    classifier = {("classify", "loss"): points, ("classify/head", "loss"): points[:1]}
    cascade = {("segment/detect", "loss"): points, ("segment/divide", "loss"): points}
    assert [len(curve) for curve in curves_of([classifier], "classify", "loss")] == [2]
    assert len(curves_of([cascade], "segment", "loss")) == 2
    assert curves_of([classifier], "balance", "loss") == []


def recorded(loss: Curve, auroc: tuple[float, float]) -> list[HistoryRow]:
    rows: list[HistoryRow] = [("classify", int(s), "loss", float(v)) for s, v in loss]
    for step, value in zip(STEPS[4::5], np.linspace(*auroc, 12), strict=True):
        rows.append(("classify", int(step), "validation_auroc", float(value)))
    return rows


def test_each_kind_is_named_with_the_steps_to_take(write_run: WriteRun) -> None:
    arms = dict.fromkeys(("none", "short", "memorizing", "stuck", "late", "brief"), (1.0, 0.0))
    folder = write_run(arms, n_seeds=2)
    histories = {
        "none": recorded(drawn_loss(0.1), (0.7, 0.9)),
        "short": recorded(drawn_loss(3.0, noise=0.005), (0.5, 0.8)),
        "memorizing": recorded(drawn_loss(3.0, noise=0.005), (0.8, 0.8)),
        "stuck": recorded(drawn_loss(99.0), (0.5, 0.52)),
        "late": recorded(drawn_loss(99.0), (0.8, 0.9)),  # reweighted late, as LDAM-DRW
        "brief": recorded(drawn_loss(0.1)[:1], (0.5, 0.5))[:1],
    }
    for method, rows in histories.items():
        for cell in (folder / "cells" / method).glob("*/*"):
            write_history(cell / "history.csv", rows)
    found = {warning.kind: warning for warning in unsettled_fits(open_run(folder))}
    methods = {kind: warning.methods for kind, warning in found.items()}
    assert methods == {
        "still learning": ("short",),
        "nothing learned": ("stuck",),
        "trained too briefly": ("brief",),
    }
    assert "n_steps=1200" in found["still learning"].text
    assert "n_steps=2400" in found["nothing learned"].text
    assert found["trained too briefly"].numbers == {"steps": 10}
