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
from equipoise.audit.label_fidelity import LABEL_MEASURES
from equipoise.audit.realism import MEASURES, Finding
from equipoise.evidence.finished_run import FinishedRun
from equipoise.evidence.kinds import quality
from equipoise.evidence.kinds.quality import QualityRow, chosen, gather, means


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


def values_of(folder: Path, label: int, extractor: str) -> dict[str, dict[str, str]]:
    rows = {}
    for row in lines(folder):
        if (row["label"], row["extractor"]) == (str(label), extractor):
            rows[row["measure"]] = row
    return rows


def test_every_class_extractor_and_measure_has_a_line_with_a_number_or_a_reason(
    gathered: Path,
) -> None:
    rows = lines(gathered)
    expected = [("", "repeats")]
    for extractor in ("random", "spectrum", "classifier"):
        expected += [(extractor, measure) for measure in MEASURES]
    expected += [("", measure) for measure in (*LABEL_MEASURES, "ms_ssim")]
    assert [(row["extractor"], row["measure"]) for row in rows] == 2 * expected
    assert [row["label"] for row in rows] == ["1"] * len(expected) + ["2"] * len(expected)
    for row in rows:
        assert (row["method"], row["split"], row["seed"]) == ("smote", "split-0", "0")
        assert bool(row["value"]) != bool(row["refused"])
    for extractor in ("random", "spectrum"):
        of_class = values_of(gathered, 1, extractor)
        assert of_class["kid"]["source"] == "training"
        assert float(of_class["two_sample"]["floor"]) == pytest.approx(0.5, abs=0.2)
        assert float(of_class["kid"]["low"]) < float(of_class["kid"]["high"])
        of_rare = values_of(gathered, 2, extractor)
        assert of_rare["kid"]["refused"]
        assert of_rare["two_sample"]["refused"]


def test_means_are_those_of_the_runs(gathered: Path) -> None:
    summary = read_json(gathered / "quality.json")
    assert summary["extractors"] == ["random", "spectrum", "classifier"]
    assert summary["label_extractor"] == "random"
    assert summary["baseline"] == "none"
    rows = {}
    for row in lines(gathered):
        rows[int(row["label"]), row["measure"], row["extractor"]] = row
    for mean in summary["means"]:
        row = rows[mean["label"], mean["measure"], mean["extractor"]]
        assert mean["refused"] == row["refused"]
        assert mean["runs"] == int(not row["refused"])
        assert mean["n"] == [int(row["n"])] * 2
        if not row["refused"]:
            assert mean["value"] == pytest.approx(float(row["value"]))
            assert mean["floor_high"] == pytest.approx(float(row["floor_high"]))


def test_the_decision_on_each_method_is_stored_for_the_first_screen(gathered: Path) -> None:
    """A few blends of two images of a few patients: nothing is refused, nothing passes."""
    release = read_json(gathered / "quality.json")["release"]
    assert list(release) == ["smote"]
    assert release["smote"]["status"] == "not measured"
    assert "class-1" in release["smote"]["reasons"][0]
    assert "class-2" in release["smote"]["reasons"][1]


def test_a_classifier_that_learned_nothing_is_not_used_and_named_with_its_number(
    run: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Constant:
        name, digest, dimension = "classifier", "2" * 64, 8

        def __call__(self, images: Any) -> Any:
            return np.full((len(images), 8), 0.7, dtype=np.float32)

    monkeypatch.setattr(quality, "in_domain", lambda _classifier: Constant())
    split = run.study.splits[0]
    rows = np.concatenate([split.train, split.validation])
    even = run.study.images.groups[rows] % 2 == 0
    with_validation = replace(split, train=rows[even], validation=rows[~even])
    gather(FinishedRun(replace(run.study, splits=(with_validation,)), run.run), tmp_path)
    first = read_json(tmp_path / "quality.json")["separations"][0]
    assert (first["label"], first["auroc"]) == (1, 0.5)
    assert first["low"] < 0.5 < first["high"]
    for row in values_of(tmp_path, 1, "classifier").values():
        assert "AUROC 0.50" in row["refused"]
    assert values_of(tmp_path, 1, "spectrum")["two_sample"]["value"]


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
            expected = pytest.approx(float(row["value"]), rel=1e-2, abs=1e-5)
            assert float(scaled["value"]) == expected


def test_the_extractor_that_the_study_names_is_used_too(run: FinishedRun, tmp_path: Path) -> None:
    named = replace(run, study=replace(run.study, facts={"extractor": "pixels"}))
    gather(named, tmp_path)
    summary = read_json(tmp_path / "quality.json")
    assert summary["extractors"] == ["random", "spectrum", "pixels"]
    assert summary["separations"] == []


def test_nothing_is_written_without_synthetic_images(tmp_path: Path) -> None:
    without = small_run(tmp_path / "run", toy_dataset((12, 8)), {"none": small_methods(1)["none"]})
    (tmp_path / "evidence").mkdir()
    gather(without, tmp_path / "evidence")
    assert not list((tmp_path / "evidence").iterdir())


def test_color_images_of_16_bits_and_a_class_without_held_out_images(tmp_path: Path) -> None:
    toy = toy_dataset((90, 40), size=12, channels=3)
    deep = small_run(tmp_path / "run", replace(toy, images=toy.pixels.astype(np.uint16) * 16))
    (split,) = deep.study.splits
    validation = split.validation[toy.labels[split.validation] == 0]
    cut = replace(deep.study, splits=(replace(split, validation=validation),))
    (tmp_path / "evidence").mkdir()
    gather(FinishedRun(cut, deep.run), tmp_path / "evidence")
    rows = values_of(tmp_path / "evidence", 1, "")
    assert float(rows["ms_ssim"]["value"]) > 0
    assert "of 0 patients" in rows["train_synthetic"]["refused"]
    of_spectrum = values_of(tmp_path / "evidence", 1, "spectrum")
    assert "20 from at least 10 patients" in of_spectrum["kid"]["refused"]


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
