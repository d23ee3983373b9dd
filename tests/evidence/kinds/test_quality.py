"""The quality of a small run: lines of every synthetic class, their means, and refusals."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import toy_dataset
from tests.fixtures.small_run import small_methods, small_run

from equipoise.atomic import read_json
from equipoise.audit.in_domain import in_domain
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.kinds import quality
from equipoise.evidence.kinds.quality import QualityRow, chosen, gather, means
from equipoise.evidence.label_fidelity import LABEL_MEASURES
from equipoise.evidence.realism import MEASURES, Finding


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return small_run(tmp_path_factory.mktemp("run"), toy_dataset((130, 80, 6), size=24))


@pytest.fixture(scope="module")
def gathered(run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence")
    gather(run, folder)
    return folder


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "runs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_class_and_measure_has_a_line_with_a_number_or_a_reason(gathered: Path) -> None:
    rows = lines(gathered)
    measures = [*MEASURES, *LABEL_MEASURES, "ms_ssim"]
    assert [row["measure"] for row in rows] == 2 * measures
    assert [row["label"] for row in rows] == ["1"] * len(measures) + ["2"] * len(measures)
    for row in rows:
        assert (row["method"], row["split"], row["seed"]) == ("smote", "split-0", "0")
        assert bool(row["value"]) != bool(row["refused"])
    of_class = {row["measure"]: row for row in rows if row["label"] == "1"}
    assert of_class["kid"]["source"] == "training"
    assert float(of_class["kid"]["floor"]) == pytest.approx(0, abs=1)
    assert float(of_class["kid"]["low"]) < float(of_class["kid"]["high"])
    of_rare = {row["measure"]: row for row in rows if row["label"] == "2"}
    assert of_rare["kid"]["refused"]
    assert of_rare["two_sample"]["refused"]


def test_means_are_those_of_the_runs(gathered: Path) -> None:
    summary = read_json(gathered / "quality.json")
    assert summary["extractor"] == "classifier"
    assert summary["label_extractor"] == "random"
    assert summary["baseline"] == "none"
    rows = {(int(row["label"]), row["measure"]): row for row in lines(gathered)}
    for mean in summary["means"]:
        row = rows[mean["label"], mean["measure"]]
        assert mean["refused"] == row["refused"]
        assert mean["runs"] == int(not row["refused"])
        assert mean["n"] == [int(row["n"])] * 2
        if not row["refused"]:
            assert mean["value"] == pytest.approx(float(row["value"]))
            assert mean["floor_high"] == pytest.approx(float(row["floor_high"]))


def test_the_same_run_gives_the_same_files(
    run: FinishedRun, gathered: Path, tmp_path: Path
) -> None:
    gather(run, tmp_path)
    for name in ("runs.csv", "quality.json"):
        assert (tmp_path / name).read_bytes() == (gathered / name).read_bytes()


def test_the_scale_of_a_classifiers_features_does_not_matter(
    run: FinishedRun, gathered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = in_domain

    def enlarged(classifier: Any) -> Any:
        extractor = plain(classifier)
        larger = type("Larger", (), {"__call__": lambda _self, images: 1000 * extractor(images)})()
        larger.name, larger.dimension, larger.digest = "classifier", extractor.dimension, "1" * 64
        return larger

    monkeypatch.setattr(quality, "in_domain", enlarged)
    gather(run, tmp_path)
    for row, scaled in zip(lines(gathered), lines(tmp_path), strict=True):
        assert row["refused"] == scaled["refused"]
        if row["value"]:
            expected = pytest.approx(float(row["value"]), rel=1e-3, abs=1e-5)
            assert float(scaled["value"]) == expected


def test_the_extractor_of_the_study_is_used_for_everything(
    run: FinishedRun, tmp_path: Path
) -> None:
    named = replace(run, study=replace(run.study, facts={"extractor": "pixels"}))
    gather(named, tmp_path)
    summary = read_json(tmp_path / "quality.json")
    assert (summary["extractor"], summary["label_extractor"]) == ("pixels", "pixels")


def test_nothing_is_written_without_synthetic_images(tmp_path: Path) -> None:
    without = small_run(tmp_path / "run", toy_dataset((12, 8)), {"none": small_methods(1)["none"]})
    (tmp_path / "evidence").mkdir()
    gather(without, tmp_path / "evidence")
    assert not list((tmp_path / "evidence").iterdir())


def test_color_images_of_16_bits_and_a_class_without_held_out_images(tmp_path: Path) -> None:
    toy = toy_dataset((90, 40), size=12, channels=3)
    deep = small_run(tmp_path / "run", replace(toy, images=toy.images.astype(np.uint16) * 16))
    (split,) = deep.study.splits
    validation = split.validation[toy.labels[split.validation] == 0]
    cut = replace(deep.study, splits=(replace(split, validation=validation),))
    (tmp_path / "evidence").mkdir()
    gather(FinishedRun(cut, deep.run), tmp_path / "evidence")
    rows = {row["measure"]: row for row in lines(tmp_path / "evidence")}
    assert float(rows["ms_ssim"]["value"]) > 0
    assert "of 0 patients" in rows["train_synthetic"]["refused"]
    assert "20 of 10 patients" in rows["kid"]["refused"]


def test_the_number_of_runs_is_bounded(run: FinishedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        FinishedRun,
        "generated",
        property(lambda _self: [cell for cell in run.cells for _ in range(9)]),
    )
    assert len(chosen(run)) == 2 * quality.MOST_RUNS


def test_a_mean_leaves_refused_runs_out() -> None:
    values: dict[str, Any] = dict.fromkeys(quality.VALUES, 0.25)
    findings = [
        Finding(measure="kid", n=30, **values),
        Finding(measure="kid", n=40, **{**values, "value": 0.75}),
        Finding(measure="kid", n=3, refused="few"),
    ]
    rows = []
    for seed, finding in enumerate(findings):
        row = QualityRow(
            method="a", split="s", seed=seed, label=0, source="validation", finding=finding
        )
        rows.append(row)
    (mean,) = means(rows)
    assert (mean["value"], mean["floor"], mean["n"], mean["runs"]) == (0.5, 0.25, [30, 40], 2)
    assert mean["sd"] == pytest.approx(np.sqrt(0.125))
    (refused,) = means(rows[2:])
    assert (refused["refused"], refused["runs"], refused["sd"]) == ("few", 0, None)
    assert "value" not in refused
