"""The power of a planned study, in words."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from tests.fixtures.studies import description_of

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
    seeds_in_words,
    seeds_needed,
    size_of,
)
from equipoise.runs.description import StudyDescription
from equipoise.runs.store import RunStore


def described(
    *, test: tuple[int, ...] = (400, 200), splits: int = 3, seeds: int = 3, methods: int = 3
) -> StudyDescription:
    names = [f"method-{i}" for i in range(methods)]
    splits_ = [f"split-{i}" for i in range(splits)]
    value = description_of(names, splits_, seeds, test, "balanced_accuracy")
    value["dataset"]["class_names"] = ["many", "few"]
    return StudyDescription.from_json(value)


def test_the_outlook_contains_what_is_detectable_and_the_seeds_needed() -> None:
    study = described(splits=1)
    size = size_of(study)
    text = outlook(study)
    assert f"{detectable(size, ACCURACY):.3f} in balanced accuracy" in text
    assert f"{detectable(size, 'auroc'):.3f} in AUROC" in text
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


def test_the_reason_why_a_study_cannot_answer_is_given() -> None:
    assert "fewer than 6 patients of class few" in outlook(described(test=(400, 4), splits=1))
    assert "a single run of each" in outlook(described(splits=1, seeds=1))
    assert outlook(described(methods=1)) == ""


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
