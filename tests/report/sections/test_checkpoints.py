"""The section shows both policies of every method, and dashes where one is not known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from equipoise.report.html import write_report
from equipoise.report.run_contents import read_contents
from equipoise.report.sections.checkpoints import HEADING, view
from equipoise.results.tables import write_all_tables
from equipoise.runs.run import open_run

ARMS = {"none": (1.2, 0.0), "gan": (3.5, 0.0), "crt": (3.0, 0.0)}


def make(write_run: Callable[..., Path], *, power: float) -> Path:
    """Write a run whose other policy has the scores of the kept one to a power, but for crt."""
    folder = write_run(ARMS, n_seeds=3, counts=(60, 30))
    for method in ("none", "gan"):
        for path in (folder / "cells" / method).glob("*/*/predictions.npz"):
            arrays = dict(np.load(path))
            for part in ("test", "validation"):
                scores = arrays[f"{part}_score"] ** power
                arrays[f"{part}_score_other"] = scores / scores.sum(axis=1, keepdims=True)
            np.savez(path, allow_pickle=False, **arrays)
    return folder


def test_both_policies_of_every_method(write_run: Callable[..., Path]) -> None:
    folder = make(write_run, power=0.5)
    results = write_all_tables(open_run(folder))
    section = view(read_contents(folder, results))
    assert section is not None
    assert [(line.method, line.policy, line.kept) for line in section.lines] == [
        ("none", "best on validation", True),
        ("", "last, averaged", False),
        ("gan", "best on validation", True),
        ("", "last, averaged", False),
        ("crt", "best on validation", True),
        ("", "last, averaged", False),
    ]
    assert len(section.labels) == 3
    unknown = section.lines[-1]
    assert {score.mean for score in unknown.scores} == {"\N{EN DASH}"}
    assert unknown.word == ""
    first, second = section.lines[2].scores[1].mean, section.lines[3].scores[1].mean
    assert first == second, "a power of the scores of two classes changes no rank"
    page = write_report(folder, results).read_text(encoding="utf-8")
    assert HEADING in page


def test_a_verdict_that_depends_on_the_policy_is_among_the_warnings(
    write_run: Callable[..., Path],
) -> None:
    folder = make(write_run, power=-1.0)  # all ranks are reversed: the best are the worst
    results = write_all_tables(open_run(folder))
    section = view(read_contents(folder, results))
    assert section is not None
    [sentence] = [text for text in section.sentences if "gan would be" in text]
    page = write_report(folder, results).read_text(encoding="utf-8")
    assert page.count("gan would be") == 2
    assert "depends on which weights are kept" in sentence


def test_runs_without_the_other_policy_have_no_section(write_run: Callable[..., Path]) -> None:
    folder = write_run(ARMS)
    results = write_all_tables(open_run(folder))
    assert view(read_contents(folder, results)) is None
    assert HEADING not in write_report(folder, results).read_text(encoding="utf-8")
