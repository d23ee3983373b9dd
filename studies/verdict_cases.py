"""What a report says first in cases that have misled: drawn predictions, one run for each case.

    python -m studies.verdict_cases FOLDER

writes the runs with their reports below FOLDER and the first sentences of each into
docs/results/verdict_cases.md.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.report.advice import advice_of
from equipoise.report.html import write_report
from equipoise.report.run_contents import Contents, read_contents
from equipoise.results.tables import write_all_tables
from equipoise.runs.run import open_run
from equipoise.testing.image_runs import Arm, write_image_run

PAGE = Path(__file__).parents[1] / "docs" / "results" / "verdict_cases.md"
NONE = Arm(1.2, -2.5)


@dataclass(frozen=True)
class Case:
    """A run with drawn predictions.

    Attributes:
        title: What is the case.
        arms: Methods and how they score.
        options: Of `write_image_run`.
        adding: Methods that pose as generators.
    """

    title: str
    arms: Mapping[str, Arm]
    options: Mapping[str, Any] = field(default_factory=dict)
    adding: tuple[str, ...] = ()


MANY = {"n_splits": 5, "n_seeds": 1, "counts": (150, 60)}
CASES = {
    "threshold_only": Case(
        "The gain is one of the threshold alone",
        {"none": NONE, "class_weights": Arm(1.2, 0.3, 0.1), "oversampling": Arm(1.2, 0.5, 0.1)},
        MANY,
    ),
    "better_ranking": Case(
        "A method ranks better",
        {"none": NONE, "oversampling": Arm(1.2, 0.5, 0.1), "ldam_drw": Arm(2.2, -0.5, 0.1)},
        MANY,
    ),
    "worse_ranking": Case(
        "Better at the usual threshold, worse in ranking",
        {"none": Arm(1.8, -4.0), "oversampling": Arm(1.0, 0.0)},
        MANY,
    ),
    "constant": Case(
        "A classifier with constant scores",
        {"none": NONE, "ldam": Arm(0.0, -1.5, scale=0.0), "focal": Arm(1.2, -1.4, 0.2)},
        MANY,
    ),
    "equal_differences": Case(
        "Three equal differences: a constant classifier against a perfect one",
        {"none": Arm(0.0, -1.5, scale=0.0), "oversampling": Arm(40.0, 0.0)},
        {"n_splits": 3, "n_seeds": 1},
    ),
    "same_predictions": Case(
        "A method that predicts what the baseline predicts",
        {"none": NONE, "focal": NONE},
        {"n_splits": 3, "n_seeds": 1},
    ),
    "one_split": Case(
        "One split of the source, three seeds",
        {"none": NONE, "ldam_drw": Arm(2.2, -0.5, 0.1)},
        {"n_splits": 1, "n_seeds": 3, "counts": (300, 120)},
    ),
    "few_patients": Case(
        "Seven positive test patients",
        {"none": NONE, "oversampling": Arm(1.2, 0.5, 0.3)},
        {"n_splits": 1, "n_seeds": 3, "counts": (60, 7)},
    ),
    "three_classes": Case(
        "Three classes; a shift of the rare one",
        {"none": NONE, "class_weights": Arm(1.2, 0.5, 0.1)},
        {**MANY, "counts": (150, 90, 40)},
    ),
    "generator": Case(
        "A generator that beats the baseline and not the copies",
        {"none": NONE, "replay": Arm(2.0, 0.0, 0.1), "dcgan": Arm(2.0, 0.0, 0.2)},
        {**MANY, "n_seeds": 2},
        adding=("dcgan",),
    ),
}


def build(folder: Path, case: Case) -> Contents:
    """Write a run, its tables and its report."""
    write_image_run(folder, case.arms, **case.options)
    for method in case.adding:
        for cell in (folder / "cells" / method).glob("*/*"):
            images = np.zeros((1, 1, 2, 2), dtype=np.uint8)
            np.savez(cell / "synthetic.npz", images=images, labels=np.ones(1, dtype=np.int64))
    results = write_all_tables(open_run(folder))
    write_report(folder, results)
    return read_contents(folder, results)


def first_sentences(contents: Contents) -> Iterator[str]:
    """Yield what the first screen says, in its order."""
    yield from contents.results.verdict
    if contents.results.contest is not None:
        yield contents.results.contest.sentence
    yield f"**What to do.** {advice_of(contents)}"
    for warning in contents.regime:
        yield f"*Before you rely on this:* {warning.text}"


def page(contents: Mapping[str, Contents]) -> Iterator[str]:
    """Yield the lines of the document."""
    yield "# What the first screen says\n"
    yield (
        "Drawn predictions, one run for each case that has misled a reader; written by "
        "`python -m studies.verdict_cases FOLDER`."
    )
    for name, of_case in contents.items():
        yield f"\n## {CASES[name].title}\n"
        for sentence in first_sentences(of_case):
            yield f"> {sentence}\n>"
    yield ""


def main() -> None:
    """Write all runs, and the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    contents = {name: build(folder / name, case) for name, case in CASES.items()}
    PAGE.write_text("\n".join(page(contents)).replace("\n>\n\n", "\n\n"), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
