from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipoise.atomic import read_json, write_json
from equipoise.curation.oversampler import CuratedOversampler
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.parameters import describe_steps
from equipoise.experiments.protocol import Budget
from equipoise.metrics.classification import METRICS
from equipoise.results.curation_effect import CURATED, curation_effect, find_pairs, write_curation
from equipoise.results.records import Comparison
from equipoise.runs.csv_records import read_rows
from equipoise.runs.description import MethodDescription
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]
ARMS = {"none": (0.5, 0.0), "dcgan": (0.8, 0.0), "dcgan_curated": (1.6, 0.0)}


def described(*names: str) -> list[dict[str, Any]]:
    methods = build_methods(names, Budget(device="cpu"))
    return [
        {"name": name, "steps": [s.to_json() for s in describe_steps(method, seeds=False)]}
        for name, method in methods.items()
    ]


def with_steps(folder: Path) -> Path:
    study = read_json(folder / "study.json")
    write_json(
        folder / "study.json",
        {**study, "methods": described(*(m["name"] for m in study["methods"]))},
    )
    return folder


def test_the_name_of_the_curated_oversampler_is_current() -> None:
    assert f"{CuratedOversampler.__module__}.{CuratedOversampler.__qualname__}" == CURATED


def test_pairs_differ_in_the_filters_alone() -> None:
    names = (
        "none",
        "dcgan",
        "cdcgan",
        "edm_curated",
        "dcgan_curated",
        "dcgan@0.5",
        "dcgan_curated@0.5",
        "dcgan@2",
    )
    methods = [MethodDescription.from_json(method) for method in described(*names)]
    assert find_pairs(methods) == [
        ("dcgan_curated", "dcgan"),
        ("dcgan_curated@0.5", "dcgan@0.5"),
    ]


def test_the_effect_is_curated_minus_uncurated(write_run: WriteRun) -> None:
    folder = with_steps(write_run(ARMS, n_splits=2))
    rows = curation_effect(open_run(folder).images, n_draws=50)
    assert [(row.method, row.baseline, row.metric) for row in rows] == [
        ("dcgan_curated", "dcgan", "decided_balanced_accuracy"),
        ("dcgan_curated", "dcgan", "auroc"),
    ]
    finished = open_run(folder).images.finished
    means = {
        name: sum(
            METRICS["auroc"].rule(f.predictions)[0] for f in finished if f.cell.method == name
        )
        / 6
        for name in ARMS
    }
    assert rows[1].difference == pytest.approx(means["dcgan_curated"] - means["dcgan"])
    assert rows[1].low <= rows[1].difference <= rows[1].high
    assert rows[1].verdict == "better"


def test_without_the_uncurated_arm_there_is_nothing_to_compare(write_run: WriteRun) -> None:
    folder = with_steps(write_run({"none": (0.5, 0.0), "dcgan_curated": (0.8, 0.0)}))
    write_curation(curation_effect(open_run(folder).images), folder)
    assert not (folder / "curation.csv").exists()


def test_the_table_reads_back(write_run: WriteRun) -> None:
    folder = with_steps(write_run(ARMS, counts=(20, 10)))
    write_curation(curation_effect(open_run(folder).images), folder)
    assert [row.method for row in read_rows(folder / "curation.csv", Comparison)] == [
        "dcgan_curated"
    ] * 2
