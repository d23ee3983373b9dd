"""The section on operating points: its sentences, tables and curves, and when it is left out."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.report.html import write_report
from equipoise.report.run_contents import read_contents
from equipoise.report.sections.operating import HEADING, sentences, view
from equipoise.results.operating_points import OperatingTables, tabulate_operating, write_operating
from equipoise.results.records import Comparison
from equipoise.runs.run import open_run

MakeRun = Callable[..., Path]
METHODS = ("none", "class_weights", "dcgan")
SMALL = {"methods": METHODS, "synthetic": False, "history": False}


def run_with_tables(make_run: MakeRun, **fields: object) -> Path:
    folder = make_run(**{**SMALL, **fields})
    write_operating(tabulate_operating(open_run(folder).images, n_draws=40), folder)
    return folder


def compared(method: str, metric: str, verdict: str, difference: float = 0.1) -> Comparison:
    return Comparison(
        method=method,
        baseline="none",
        metric=metric,
        difference=difference,
        low=0.0,
        high=0.2,
        p=0.01,
        p_holm=0.02,
        verdict=verdict,  # type: ignore[arg-type]
        detectable=0.1,
        n_runs=9,
    )


def of(*rows: Comparison) -> OperatingTables:
    return OperatingTables(points=[], comparisons=list(rows), calibration=[], reliability=[])


def test_what_only_moved_the_threshold_is_named() -> None:
    found = list(
        sentences(
            of(
                compared("weights", "largest/recall_and_specificity", "better", 0.2),
                compared("smote", "largest/recall_and_specificity", "better", 0.3),
                compared("ldam", "largest/recall_and_specificity", "worse", -0.1),
                compared("smote", "best_threshold/recall_and_specificity", "better"),
                compared("smote", "recall_0.95/rare_specificity", "no detectable difference"),
            ),
            "none",
            "carcinoma",
        )
    )
    assert re.search(r"3 methods .*\(better: smote and weights; worse: ldam\)", found[1])
    assert re.search(r"1 method .*\(better: smote\)", found[2])
    assert re.search("weights .*no longer detectable.* none", found[3])
    assert re.search("95 % of carcinoma.* no method .* none in specificity", found[5])


def test_many_methods_are_counted_not_listed() -> None:
    rows = [
        compared(f"m{i}", "largest/recall_and_specificity", "better", 1 - i / 10) for i in range(8)
    ]
    assert (
        "(better: m0, m1, m2, m3, m4 and 3 more)" in list(sentences(of(*rows), "none", "rare"))[1]
    )


def test_runs_that_cannot_tell_say_nothing() -> None:
    assert (
        list(
            sentences(
                of(compared("a", "largest/recall_and_specificity", "not enough runs")),
                "none",
                "rare",
            )
        )
        == []
    )
    assert list(sentences(of(), "none", "rare")) == []


def test_tables_and_curves(make_run: MakeRun) -> None:
    contents = read_contents(run_with_tables(make_run))
    found = view(contents)
    assert found is not None
    balanced = contents.results.methods[1].metrics["balanced_accuracy"]
    assert (
        found.rows["class_weights"]["largest"].value == f"{balanced.mean:.3f} ± {balanced.sd:.3f}"
    )
    assert [table.point.name for table in found.recalls] == ["recall_0.95", "recall_0.9"]
    assert [row.comparison is None for row in found.recalls[0].rows] == [True, False, False]
    assert [panel.title for panel in found.panels] == list(METHODS)
    assert found.shares == {"validation": "18.9 %", "test": "20.0 %"}
    assert {line.label for line in found.panels[0].named} == {"as trained", "corrected"}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"class_names": ("<b>normal</b>", "benign & so", "carcinoma"), "counts": (120, 80, 30)},
        {"failed": ("class_weights",), "absent": ("dcgan",)},
        {"n_splits": 1, "n_seeds": 1},
        {"methods": ("none",)},
    ],
)
def test_the_page_has_the_section(make_run: MakeRun, fields: dict[str, object]) -> None:
    page = write_report(run_with_tables(make_run, **fields)).read_text()
    assert page.count(f">{HEADING}</h2>") == 1
    assert "As if trained with" in page
    assert "<b>normal" not in page
    assert "nan" not in page.split(f">{HEADING}</h2>")[1].split("<h2")[0]


def test_without_its_tables_or_a_finished_run_it_is_left_out(make_run: MakeRun) -> None:
    folder = make_run(**SMALL)
    assert view(read_contents(folder)) is None
    assert HEADING not in write_report(folder).read_text()
    assert view(read_contents(run_with_tables(make_run, broken=METHODS))) is None


def test_only_prominent_methods_are_drawn(make_run: MakeRun) -> None:
    contents = read_contents(
        run_with_tables(make_run, methods=("none", *(f"m{i}" for i in range(9))), n_splits=1)
    )
    found = view(contents)
    assert found is not None
    assert len(found.panels) == 8
    assert len(found.rows) == 10
