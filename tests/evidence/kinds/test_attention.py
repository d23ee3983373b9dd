"""Maps and shares of a small run: the chosen cases, the averages, and no name of a patient."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from tests.conftest import toy_dataset
from tests.fixtures.small_run import small_run

from equipoise.atomic import read_json
from equipoise.estimators.grad_cam import grad_cam
from equipoise.evidence.finished_run import Judged, first_cells, prominent
from equipoise.evidence.kinds.attention import MOST_CASES, _averaged, gather
from equipoise.experiments.study import Study
from equipoise.metrics.foreground import border_frame, foreground
from equipoise.runs.cell import Cell


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return small_run(tmp_path_factory.mktemp("run"), toy_dataset((30, 20), size=40))


def gathered(run: Judged, folder: Path) -> dict[str, Any]:
    gather(run, folder)
    with np.load(folder / "cases.npz", allow_pickle=False) as arrays:
        return {
            **read_json(folder / "attention.json"),
            **{name: arrays[name] for name in arrays.files},
        }


def test_the_most_certain_cases_of_the_rare_class_are_shown(run: Judged, tmp_path: Path) -> None:
    found = gathered(run, tmp_path)
    for i, cell in enumerate(run.cells):
        stored = run.store.predictions(cell)
        test = run.part(cell, "test")
        certain = stored["test_score"].max(axis=1)
        for right in (True, False):
            of_kind = (test.labels == 1) & ((stored["test_score"].argmax(axis=1) == 1) == right)
            rows = (found["method"] == i) & (found["right"] == right)
            best = np.sort(certain[of_kind])[::-1][:MOST_CASES]
            np.testing.assert_allclose(found["probability"][rows], best)
            assert (found["predicted"][rows] == int(right)).all()
            known = {image.tobytes() for image in test.images[of_kind]}
            assert {image.tobytes() for image in found["image"][rows]} <= known


def test_maps_and_shares_are_those_of_the_answer_given(run: Judged, tmp_path: Path) -> None:
    found = gathered(run, tmp_path)
    of_cell = [(run.classifier(cell), found["method"] == i) for i, cell in enumerate(run.cells)]
    maps = np.concatenate(
        [grad_cam(one, found["image"][rows], found["predicted"][rows]) for one, rows in of_cell]
    )
    np.testing.assert_array_equal(found["map"], np.rint(maps * 255))
    np.testing.assert_array_equal(found["mask"], foreground(found["image"]))
    inside = (maps * found["mask"]).sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
    np.testing.assert_allclose(found["inside"], inside, rtol=1e-5)


def test_averages_are_over_all_test_images(run: Judged, tmp_path: Path) -> None:
    found = gathered(run, tmp_path)
    cell, test = run.cells[0], run.part(run.cells[0], "test")
    predicted = run.store.predictions(cell)["test_score"].argmax(axis=1)
    maps = grad_cam(run.classifier(cell), test.images, predicted)
    frame = border_frame((40, 40))
    shares = (maps * frame).sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
    for answers, rows in (
        ("all", predicted >= 0),
        ("right", predicted == test.labels),
        ("wrong", predicted != test.labels),
    ):
        (row,) = [
            r for r in found["shares"]
            if (r["method"], r["region"], r["answers"]) == (cell.method, "border", answers)
        ]  # fmt: skip
        assert row["n"] + row["n_without"] == rows.sum()
        if row["n"]:
            assert row["mass"] == pytest.approx(np.nanmean(shares[rows]), rel=1e-5)
            assert row["area"] == pytest.approx(frame.mean())
            assert row["low"] <= row["mass"] - row["area"] + 1e-9
            assert row["high"] >= row["mass"] - row["area"] - 1e-9
    assert found["map_sides"][cell.method] == [3, 3]


def test_given_masks_are_used_and_nobody_is_named(run: Judged, tmp_path: Path) -> None:
    masks = np.zeros((50, 40, 40), dtype=np.int64)
    masks[:, 5:9, 5:9] = 2
    marked = replace(run, study=replace(run.study, dataset=replace(run.study.images, masks=masks)))
    found = gathered(marked, tmp_path)
    np.testing.assert_array_equal(found["mask"], np.broadcast_to(masks[0] > 0, found["mask"].shape))
    assert found["masks"] == "given"
    assert "image-0" not in (tmp_path / "attention.json").read_text()
    with np.load(tmp_path / "cases.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind != "U" for name in arrays.files)


def test_the_interval_is_that_of_a_mean_over_patients() -> None:
    """Two images of each patient that are alike: half as many independent ones as images."""
    rng = np.random.default_rng(0)
    mass = np.repeat(rng.normal(0.5, 0.1, size=60), 2)
    found = _averaged(
        mass, np.full(120, 0.3), np.zeros(120, dtype=np.int64), np.repeat(np.arange(60), 2) + 7
    )
    low, high = stats.t.interval(0.95, 59, loc=mass.mean() - 0.3, scale=stats.sem(mass[::2]))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)
    assert found.n == 120
    assert found.area == pytest.approx(0.3)
    assert (
        _averaged(mass[:0], mass[:0], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)).mass
        is None
    )


def test_where_no_classifier_is_ours_nothing_is_looked_at(
    make_study: Callable[..., Study], run: Judged
) -> None:
    gather(replace(run, study=make_study()), Path("nowhere"))


def test_the_baseline_and_the_best_are_prominent(run: Judged) -> None:
    cells = first_cells(run)
    assert prominent(run, cells, 2) == cells
    assert prominent(run, cells, 1) == [Cell("none", "split-0", 0)]
    other = replace(run, study=replace(run.study, baseline="smote"))
    assert prominent(other, cells, 1) == [Cell("smote", "split-0", 0)]
