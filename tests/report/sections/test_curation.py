"""The section says where to stop, what each filter kept, and whether filtering helped."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipoise.atomic import read_json, write_json
from equipoise.report.html import write_report
from equipoise.report.run_contents import read_contents
from equipoise.report.sections.curation import HEADING, advice, view
from equipoise.results.dose_response import DoseRow
from equipoise.results.records import Comparison
from equipoise.runs.csv_records import write_rows

MakeRun = Callable[..., Path]
NAN = float("nan")


def dose(size: float, *, knee: int = 0, class_name: str = "", **changes: Any) -> DoseRow:
    row = DoseRow(
        base="dcgan",
        unit="share",
        dose=size,
        method=f"dcgan@{size:g}",
        metric="balanced_accuracy",
        class_name=class_name,
        n_runs=4,
        validation=0.7 + 0.1 * size,
        behind=0.1,
        error=0.02,
        knee=knee,
        test=0.68,
        low=0.61,
        high=0.75,
        difference=0.04,
        difference_low=0.01,
        difference_high=0.07,
    )
    return replace(row, **changes)


def curated(run: Path, method: str) -> None:
    """Write into the records of a method what filters kept of its second class."""
    for path in sorted((run / "cells" / method).glob("*/*/record.json")):
        kept = {
            "filters": [["sanity", 50, 45], ["agreement", 45, 9], ["rejection", 0, 0]],
            "filled": 3,
        }
        record = read_json(path) | {"counts_before": [60, 20], "counts_after": [60, 60]}
        write_json(path, record | {"curation": {"1": kept}})


def comparison(low: float, high: float) -> Comparison:
    return Comparison(
        method="cdcgan",
        baseline="dcgan",
        metric="auroc",
        difference=0.012,
        low=low,
        high=high,
        p=0.4,
        p_holm=0.4,
        verdict="no detectable difference",
        detectable=0.05,
        n_runs=4,
    )


def test_a_run_without_doses_and_filters_has_no_section(make_run: MakeRun) -> None:
    run = make_run()
    assert view(read_contents(run)) is None
    assert HEADING not in write_report(run).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [dose(0, knee=1), dose(0.5), dose(2)],
            "Add none: on the validation images no dose of dcgan improved",
        ),
        (
            [dose(0), dose(0.5, knee=1), dose(2)],
            "Stop at 0.5 synthetic images for each real one (dcgan): more does not help "
            "detectably. On the test images it changes balanced accuracy by +0.040 (95 % "
            "interval +0.010 to +0.070) against none.",
        ),
        (
            [dose(0), dose(2, knee=1)],
            "The largest dose of dcgan that was tried, 2 synthetic images for each",
        ),
        ([dose(0), dose(0.5, knee=1, difference_low=NAN), dose(2)], "by +0.040 against none."),
        (
            [dose(0.5, knee=1, difference=NAN), dose(2)],
            "Whether it is better than none is unknown",
        ),
    ],
)
def test_the_advice_is_plain(rows: list[DoseRow], words: str) -> None:
    assert words in advice(rows)


def test_doses_of_a_replay_count_copies_on_the_decisive_metric() -> None:
    row = dose(0.5, knee=1, base="replay", metric="decided_balanced_accuracy")
    text = advice([dose(0.0, base="replay"), row])
    assert "copies of real images" in text
    assert "at own thresholds" in text
    assert "synthetic" not in text


def test_doses_are_shown(make_run: MakeRun) -> None:
    run = make_run(class_names=("benign <1>", "malignant"))
    doses = [(0.0, 0), (0.5, 1), (2.0, 0)]
    rows = [dose(size, knee=knee) for size, knee in doses]
    for name in ("benign <1>", "malignant"):
        rows += [
            dose(size, knee=1 - knee, class_name=name, metric="recall") for size, knee in doses
        ]
    write_rows(run / "dose.csv", DoseRow, rows)
    page = write_report(run).read_text(encoding="utf-8")
    assert "Stop at 0.5 " in page
    assert "Recall of benign &lt;1&gt;, test" in page
    assert "benign &lt;1&gt;, 0 synthetic" in page
    assert "stop here: 0.5" in page
    assert 'aria-label="dcgan over ' in page


def test_doses_whose_primary_metric_is_not_known_are_left_out(make_run: MakeRun) -> None:
    run = make_run()
    write_rows(run / "dose.csv", DoseRow, [dose(0, knee=1, class_name="normal", metric="recall")])
    assert view(read_contents(run)) is None


def test_keep_rates_are_summed_over_the_runs(make_run: MakeRun) -> None:
    run = make_run()
    curated(run, "cdcgan")
    found = view(read_contents(run))
    assert found is not None
    (kept,) = found.kept
    assert (kept.method, kept.class_name, kept.filled, kept.n) == ("cdcgan", "carcinoma", 12, 160)
    assert kept.filters == [("sanity", 200, 180), ("agreement", 180, 36), ("rejection", 0, 0)]
    page = write_report(run).read_text(encoding="utf-8")
    assert "sanity 90&nbsp;% of 200, agreement 20&nbsp;% of 180, rejection none given" in page
    assert "filtering helped is unknown" in page


def test_the_effect_of_filtering_is_told_with_its_interval(make_run: MakeRun) -> None:
    run = make_run()
    curated(run, "cdcgan")
    write_rows(run / "curation.csv", Comparison, [comparison(-0.01, 0.034), comparison(NAN, NAN)])
    found = view(read_contents(run))
    assert found is not None
    minus = "\N{MINUS SIGN}"
    with_interval, without = found.effects
    effect = re.escape("cdcgan minus dcgan, AUROC: +0.012")
    assert re.match(rf"{effect} \(.*{minus}0\.010 to \+0\.034\), no detectable", with_interval)
    assert re.match(rf"{effect}, no detectable", without)
    assert "Filtered images compared with" in write_report(run).read_text(encoding="utf-8")
