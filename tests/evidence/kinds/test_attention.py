"""Maps and shares of a small run: the selected cases, the averages, and no name of a patient."""

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
from equipoise.evidence.finished_run import FinishedRun, first_cells, prominent
from equipoise.evidence.kinds import attention
from equipoise.evidence.kinds.attention import MOST_CASES, gather, mean_share
from equipoise.experiments.study import Study
from equipoise.metrics.foreground import border_frame, foreground
from equipoise.runs.cell import Cell


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return small_run(tmp_path_factory.mktemp("run"), toy_dataset((30, 20), size=40))


def gathered(run: FinishedRun, folder: Path) -> dict[str, Any]:
    gather(run, folder)
    with np.load(folder / "cases.npz", allow_pickle=False) as arrays:
        return {
            **read_json(folder / "attention.json"),
            **{name: arrays[name] for name in arrays.files},
        }


def test_the_most_certain_cases_of_the_rare_class_are_shown(
    run: FinishedRun, tmp_path: Path
) -> None:
    evidence = gathered(run, tmp_path)
    for i, cell in enumerate(run.cells):
        stored = run.predictions(cell)
        test = run.part(cell, "test")
        certain = stored["test_score"].max(axis=1)
        for right in (True, False):
            of_kind = (test.labels == 1) & ((stored["test_score"].argmax(axis=1) == 1) == right)
            rows = (evidence["method"] == i) & (evidence["right"] == right)
            best = np.sort(certain[of_kind])[::-1][:MOST_CASES]
            np.testing.assert_allclose(evidence["probability"][rows], best)
            assert (evidence["predicted"][rows] == int(right)).all()
            candidates = {image.tobytes() for image in test.images[of_kind]}
            assert {image.tobytes() for image in evidence["image"][rows]} <= candidates


def test_maps_and_shares_are_those_of_the_predicted_class(run: FinishedRun, tmp_path: Path) -> None:
    evidence = gathered(run, tmp_path)
    of_cells = []
    for i, cell in enumerate(run.cells):
        rows = evidence["method"] == i
        images, predicted = evidence["image"][rows], evidence["predicted"][rows]
        of_cells.append(grad_cam(run.classifier(cell), images, predicted))
    maps = np.concatenate(of_cells)
    np.testing.assert_array_equal(evidence["map"], np.rint(maps * 255))
    np.testing.assert_array_equal(evidence["mask"], foreground(evidence["image"]))
    inside = (maps * evidence["mask"]).sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
    np.testing.assert_allclose(evidence["inside"], inside, rtol=1e-5)


def test_averages_are_over_all_test_images(run: FinishedRun, tmp_path: Path) -> None:
    evidence = gathered(run, tmp_path)
    cell, test = run.cells[0], run.part(run.cells[0], "test")
    predicted = run.predictions(cell)["test_score"].argmax(axis=1)
    maps = grad_cam(run.classifier(cell), test.images, predicted)
    frame = border_frame((40, 40))
    shares = (maps * frame).sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
    by_key = {(row["method"], row["region"], row["answers"]): row for row in evidence["shares"]}
    for answers, rows in (
        ("all", predicted >= 0),
        ("right", predicted == test.labels),
        ("wrong", predicted != test.labels),
    ):
        row = by_key[cell.method, "border", answers]
        assert row["n"] + row["n_without"] == rows.sum()
        if row["n"]:
            assert row["mass"] == pytest.approx(np.nanmean(shares[rows]), rel=1e-5)
            assert row["area"] == pytest.approx(frame.mean())
            assert row["low"] <= row["mass"] - row["area"] + 1e-9
            assert row["high"] >= row["mass"] - row["area"] - 1e-9
    assert evidence["map_sides"][cell.method] == [3, 3]


def test_masks_of_the_dataset_are_used_and_no_patient_is_named(
    run: FinishedRun, tmp_path: Path
) -> None:
    masks = np.zeros((50, 40, 40), dtype=np.int64)
    masks[:, 5:9, 5:9] = 2
    marked = replace(run, study=replace(run.study, dataset=replace(run.study.images, masks=masks)))
    evidence = gathered(marked, tmp_path)
    np.testing.assert_array_equal(
        evidence["mask"], np.broadcast_to(masks[0] > 0, evidence["mask"].shape)
    )
    assert evidence["masks"] == "given"
    assert "image-0" not in (tmp_path / "attention.json").read_text()
    with np.load(tmp_path / "cases.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind != "U" for name in arrays.files)


def test_the_interval_is_that_of_a_mean_over_patients() -> None:
    """Two equal images of each patient: half as many independent ones as images."""
    rng = np.random.default_rng(0)
    mass = np.repeat(rng.normal(0.5, 0.1, size=60), 2)
    labels, patients = np.zeros(120, dtype=np.int64), np.repeat(np.arange(60), 2) + 7
    share = mean_share(mass, np.full(120, 0.3), labels, patients)
    low, high = stats.t.interval(0.95, 59, loc=mass.mean() - 0.3, scale=stats.sem(mass[::2]))
    assert (share.low, share.high) == pytest.approx((low, high), abs=0.01)
    assert share.n == 120
    assert share.area == pytest.approx(0.3)
    assert mean_share(mass[:0], mass[:0], labels[:0], patients[:0]).mass is None


def test_without_a_classifier_of_this_package_nothing_is_mapped(
    make_study: Callable[..., Study], run: FinishedRun
) -> None:
    gather(replace(run, study=make_study()), Path("nowhere"))


def test_the_baseline_and_the_best_are_prominent(run: FinishedRun) -> None:
    cells = first_cells(run)
    assert prominent(run, cells, 2) == cells
    assert prominent(run, cells, 1) == [Cell("none", "split-0", 0)]
    other = replace(run, study=replace(run.study, baseline="smote"))
    assert prominent(other, cells, 1) == [Cell("smote", "split-0", 0)]


def test_networks_without_a_map_are_left_out_by_name(
    run: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = [cell.method for cell in first_cells(run)]
    assert gathered(run, tmp_path)["left_out"] == []
    monkeypatch.setattr(attention, "can_map", lambda _classifier: False)
    (tmp_path / "none").mkdir()
    gather(run, tmp_path / "none")
    assert read_json(tmp_path / "none" / "attention.json") == {"left_out": methods}
