"""The quality of a small run: every synthetic class has its lines, the means are theirs, nothing is invented."""

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
from equipoise.evidence.finished_run import Judged
from equipoise.evidence.kinds import quality
from equipoise.evidence.kinds.quality import chosen, gather, means
from equipoise.evidence.label_fidelity import LABEL_MEASURES
from equipoise.evidence.realism import MEASURES


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return small_run(tmp_path_factory.mktemp("run"), toy_dataset((130, 80, 6), size=24))


@pytest.fixture(scope="module")
def gathered(run: Judged, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence")
    gather(run, folder)
    return folder


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "runs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_class_and_measure_has_a_line_with_a_number_or_a_reason(gathered: Path) -> None:
    rows = lines(gathered)
    assert [(r["label"], r["measure"]) for r in rows] == [
        (str(label), name) for label in (1, 2) for name in (*MEASURES, *LABEL_MEASURES, "ms_ssim")
    ]
    for row in rows:
        assert (row["method"], row["split"], row["seed"]) == ("smote", "split-0", "0")
        assert bool(row["value"]) != bool(row["refused"])
    found = {row["measure"]: row for row in rows if row["label"] == "1"}
    assert found["kid"]["source"] == "training"
    assert float(found["kid"]["floor"]) == pytest.approx(0, abs=1)
    assert float(found["kid"]["low"]) < float(found["kid"]["high"])
    assert all(
        r["refused"] for r in rows if r["label"] == "2" and r["measure"] in ("kid", "two_sample")
    )


def test_means_are_those_of_the_runs(gathered: Path) -> None:
    facts = read_json(gathered / "quality.json")
    assert (facts["extractor"], facts["label_extractor"], facts["baseline"]) == (
        "classifier",
        "random",
        "none",
    )
    for mean in facts["means"]:
        row = next(
            r
            for r in lines(gathered)
            if (int(r["label"]), r["measure"]) == (mean["label"], mean["measure"])
        )
        assert mean["refused"] == row["refused"]
        assert mean["runs"] == int(not row["refused"])
        assert mean["n"] == [int(row["n"])] * 2
        if not row["refused"]:
            assert mean["value"] == pytest.approx(float(row["value"]))
            assert mean["floor_high"] == pytest.approx(float(row["floor_high"]))


def test_the_same_run_gives_the_same_files(run: Judged, gathered: Path, tmp_path: Path) -> None:
    gather(run, tmp_path)
    for name in ("runs.csv", "quality.json"):
        assert (tmp_path / name).read_bytes() == (gathered / name).read_bytes()


def test_the_scale_of_a_classifiers_features_does_not_matter(
    run: Judged, gathered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = in_domain

    def enlarged(classifier: Any) -> Any:
        extractor = plain(classifier)
        larger = type("Larger", (), {"__call__": lambda _self, images: 1000 * extractor(images)})()
        larger.name, larger.dimension, larger.digest = "classifier", extractor.dimension, "1" * 64
        return larger

    monkeypatch.setattr(quality, "in_domain", enlarged)
    gather(run, tmp_path)
    for one, other in zip(lines(gathered), lines(tmp_path), strict=True):
        assert one["refused"] == other["refused"]
        if one["value"]:
            assert float(one["value"]) == pytest.approx(float(other["value"]), rel=1e-3, abs=1e-5)


def test_the_extractor_of_the_study_is_used_for_everything(run: Judged, tmp_path: Path) -> None:
    named = Judged(replace(run.study, facts={"extractor": "pixels"}), run.store)
    gather(named, tmp_path)
    facts = read_json(tmp_path / "quality.json")
    assert (facts["extractor"], facts["label_extractor"]) == ("pixels", "pixels")


def test_nothing_is_written_where_nothing_was_made(tmp_path: Path) -> None:
    without = small_run(tmp_path / "run", toy_dataset((12, 8)), {"none": small_methods(1)["none"]})
    (tmp_path / "evidence").mkdir()
    gather(without, tmp_path / "evidence")
    assert not list((tmp_path / "evidence").iterdir())


def test_color_images_of_16_bits_and_a_class_that_is_not_held_out(tmp_path: Path) -> None:
    toy = toy_dataset((90, 40), size=12, channels=3)
    deep = small_run(tmp_path / "run", replace(toy, images=toy.images.astype(np.uint16) * 16))
    (split,) = deep.study.splits
    validation = split.validation[toy.labels[split.validation] == 0]
    cut = replace(deep.study, splits=(replace(split, validation=validation),))
    (tmp_path / "evidence").mkdir()
    gather(Judged(cut, deep.store), tmp_path / "evidence")
    found = {row["measure"]: row for row in lines(tmp_path / "evidence")}
    assert float(found["ms_ssim"]["value"]) > 0
    assert "of 0 patients" in found["train_synthetic"]["refused"]
    assert "too few real images" in found["kid"]["refused"]


def test_the_number_of_runs_is_bounded(run: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Judged, "generated", property(lambda _self: [cell for cell in run.cells for _ in range(9)])
    )
    assert len(chosen(run)) == 2 * quality.MOST_RUNS


def test_a_mean_leaves_refused_runs_out() -> None:
    row = {"label": 0, "measure": "kid", "method": "a", "source": "validation", "refused": ""}
    values = dict.fromkeys(quality.VALUES, 0.25)
    rows: list[dict[str, Any]] = [
        {**row, **values, "n": 30},
        {**row, **values, "n": 40, "value": 0.75},
        {**row, **dict.fromkeys(quality.VALUES, np.nan), "n": 3, "refused": "few"},
    ]
    (mean,) = means(rows)
    assert (mean["value"], mean["floor"], mean["n"], mean["runs"]) == (0.5, 0.25, [30, 40], 2)
    assert mean["sd"] == pytest.approx(np.sqrt(0.125))
    (refused,) = means(rows[2:])
    assert (refused["refused"], refused["runs"], refused["sd"]) == ("few", 0, None)
    assert "value" not in refused
