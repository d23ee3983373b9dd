"""The power of a planned study, in words."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import Split, hold_out
from equipoise.experiments.description import describe
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.progress import watching
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.results.power import (
    ACCURACY,
    TARGETS,
    detectable,
    needs,
    outlook,
    planned_patients,
    seeds_in_words,
    seeds_needed,
    size_of,
)
from equipoise.runs.description import StudyDescription
from equipoise.runs.store import RunStore
from equipoise.testing.image_runs import image_run_description


def described(
    *, test: tuple[int, ...] = (400, 200), splits: int = 3, seeds: int = 3, methods: int = 3
) -> StudyDescription:
    names = [f"method-{i}" for i in range(methods)]
    splits_ = [f"split-{i}" for i in range(splits)]
    value = image_run_description(names, splits_, seeds, test, "balanced_accuracy")
    value["dataset"]["class_names"] = ["many", "few"]
    return StudyDescription.from_json(value)


def test_the_outlook_contains_what_is_detectable_and_the_seeds_needed() -> None:
    study = described(splits=1)
    size = size_of(study)
    text = outlook(study)
    assert f"{detectable(size, ACCURACY):.3f} in balanced accuracy" in text
    assert f"{detectable(size, 'auroc'):.3f} in AUROC" in text
    assert "200 patients of class few" in text
    for need in needs(size, ACCURACY):
        assert need.n_seeds == seeds_needed(size, ACCURACY, need.difference)
        assert need.text in text


def test_why_no_number_of_seeds_suffices() -> None:
    small, few_splits = (
        needs(size_of(described(test=test, splits=2)), ACCURACY)
        for test in ((60, 20), (9000, 9000))
    )
    assert len(small) == len(TARGETS)
    for need in small:
        assert re.match(r"no number .*\(.*test set", need.text)
    assert re.match(r"no number .*\(more splits", few_splits[0].text)
    assert seeds_in_words(small) == f"for 0.02 or 0.05 or 0.10: {small[0].text}"


@pytest.mark.parametrize("metric", [ACCURACY, "auroc"])
def test_heads_on_the_same_features_differ_less(metric: str) -> None:
    networks = size_of(described(splits=20, seeds=1))
    heads = replace(networks, frozen=True)
    assert detectable(heads, metric) < detectable(networks, metric)
    one, many = replace(heads, n_seeds=1), replace(heads, n_seeds=100)
    assert detectable(one, metric) == detectable(many, metric)  # a head has no luck of its own


def test_the_reason_why_a_study_cannot_answer_is_given() -> None:
    few = outlook(described(test=(400, 4), splits=1))
    assert re.search("4 patients of class few are tested, fewer than 6", few)
    assert "a single run of each" in outlook(described(splits=1, seeds=1))
    assert outlook(described(methods=1)) == ""


def scarce_patients() -> tuple[ImageDataset, Sequence[Split]]:
    """Class 1 has the fewest images, class 0 the fewest patients: 8 images each of 5."""
    labels = np.repeat([0, 1, 2], [40, 20, 60])
    groups = np.concatenate([np.repeat(np.arange(5), 8), 10 + np.arange(20), 40 + np.arange(60)])
    dataset = ImageDataset(
        images=np.arange(120 * 16, dtype=np.uint8).reshape(120, 1, 4, 4),
        labels=labels,
        class_names=("slides", "films", "cells"),
        groups=groups,
        ids=np.array([f"{i:03d}" for i in range(120)]),
    )
    return dataset, hold_out(dataset, n_splits=2, test=0.4, validation=0.2)


def test_the_forecast_counts_the_patients_that_the_verdict_counts() -> None:
    dataset, splits = scarce_patients()
    patients = planned_patients(dataset, splits)
    tested = np.unique(np.concatenate([split.test for split in splits]))
    expected = [len(set(dataset.groups[tested][dataset.labels[tested] == c])) for c in range(3)]
    assert patients.in_all == tuple(expected)
    assert (patients.scarce_class, patients.fewest) == (0, min(expected))
    per_split = []
    for split in splits:
        rows = split.test[dataset.labels[split.test] == 1]
        per_split.append(len(set(dataset.groups[rows])))
    assert patients.in_split[1] == np.mean(per_split)
    names = [{"name": "none", "steps": []}, {"name": "other", "steps": []}]
    value = image_run_description((), [split.name for split in splits], 3, (16, 8, 24), ACCURACY)
    value |= {"methods": names, "dataset": value["dataset"] | {"class_names": dataset.class_names}}
    text = outlook(StudyDescription.from_json(value), patients)
    assert f"{min(expected)} patients of class slides" in text


def test_the_family_of_the_forecast_is_that_of_the_verdict() -> None:
    assert size_of(described(methods=3)).n_comparisons == 4
    assert size_of(replace(described(methods=3), primary_metric="auroc")).n_comparisons == 2


@pytest.mark.parametrize("again", [False, True])
def test_the_outlook_is_printed_before_a_run_and_not_after_it(
    make_study: Callable[..., Study], tmp_path: Path, *, again: bool
) -> None:
    study, store, console = (
        make_study(seeds=(0,)),
        RunStore(tmp_path),
        Console(file=io.StringIO(), width=100),
    )
    for _ in range(1 + again):
        console.file = io.StringIO()
        with watching(
            study, store, InProcess(), console, outlook=lambda: outlook(describe(study))
        ) as observer:
            run_study(study, store, executor=InProcess(), observer=observer)
    assert isinstance(console.file, io.StringIO)
    assert ("Expected: " in console.file.getvalue()) != again
