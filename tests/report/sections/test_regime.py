"""Checks of training and test as a reader sees them: first screen, section, results table."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from equipoise.atomic import write_json
from equipoise.report import overview
from equipoise.report.html import write_report
from equipoise.report.run_contents import Contents, read_contents
from equipoise.report.sections.regime import view
from equipoise.results.reference import ReferenceGain, ReferenceScore, write_reference
from equipoise.results.regime.warning import KINDS, OF_TASK, RegimeWarning

MakeRun = Callable[..., Path]


def with_warnings(
    contents: Contents, warnings: Sequence[RegimeWarning], monkeypatch: pytest.MonkeyPatch
) -> Contents:
    monkeypatch.setattr("equipoise.report.run_contents.check_regime", lambda *_: tuple(warnings))
    return contents


def test_at_most_six_warnings_are_on_the_first_screen(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings = [
        RegimeWarning(kind=kind, problem=f"problem {i}", change="change")
        for i, kind in enumerate(KINDS)
    ]
    contents = with_warnings(read_contents(make_run()), warnings, monkeypatch)
    shown = [notice.text for notice in overview.regime_notices(contents)]
    assert shown[:6] == [warning.text for warning in warnings[:6]]
    assert len(shown) == 7
    assert f"{len(KINDS) - 6} more" in shown[6]


def test_the_section_lists_what_is_wrong_and_what_was_in_order(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    warning = RegimeWarning(kind="few patients", problem="few <patients>", change="add some")
    contents = with_warnings(read_contents(make_run()), [warning], monkeypatch)
    found = view(contents)
    assert found is not None
    assert found.warnings == (warning,)
    # without a reference nothing can be said about it
    assert len(found.in_order) == len(OF_TASK["classification"]) - 2
    assert KINDS["few patients"] not in found.in_order
    assert not found.references


def test_no_section_where_nothing_has_finished(make_run: MakeRun) -> None:
    assert (
        view(read_contents(make_run(absent=("none", "dcgan"), methods=("none", "dcgan")))) is None
    )


def test_the_reference_has_a_line_in_the_table_of_results(make_run: MakeRun) -> None:
    folder = make_run()
    evidence = folder / "evidence" / "reference"
    evidence.mkdir(parents=True)
    write_json(evidence / "reference.json", {"notes": ["A note."]})
    score = ReferenceScore(features="statistics", metric="auroc", mean=0.77, low=0.7, high=0.81)
    gain = ReferenceGain(
        features="statistics",
        method="none",
        reference=0.77,
        auroc=0.75,
        difference=0.02,
        low=-0.03,
        high=0.07,
    )
    write_reference(evidence, [score], [gain])
    page = write_report(folder).read_text(encoding="utf-8")
    assert page.count("logistic regression on intensity statistics") >= 2  # both tables of results
    assert "0.770" in page
    assert "A note." in page


def test_volumes_have_their_own_checks(volumes_page: str) -> None:
    assert "Checks of training and test" in volumes_page
    assert KINDS["nothing segmented"] in volumes_page
    assert KINDS["constant scores"] not in volumes_page
