"""The published table beside ours."""

from collections.abc import Callable
from pathlib import Path

from equipoise.atomic import read_json, write_json
from equipoise.report.html import write_report
from equipoise.report.run_contents import read_contents
from equipoise.report.sections.published import view

TABLE = {
    "caption": "Paper <X>, Table 1",
    "columns": [["balanced accuracy", "balanced_accuracy"], ["FID", None]],
    "rows": [
        {"arm": "Baseline", "method": "none", "values": [0.715, None]},
        {"arm": "Another", "method": "absent", "values": [0.758, 243.0]},
    ],
    "notes": ["One run."],
}


MakeRun = Callable[..., Path]


def run_with(tables: object, make_run: MakeRun) -> Path:
    folder = make_run()
    study = read_json(folder / "study.json")
    study["facts"]["published"] = tables
    write_json(folder / "study.json", study)
    return folder


def test_our_mean_stands_beside_the_published_number(make_run: MakeRun) -> None:
    contents = read_contents(run_with([TABLE], make_run))
    found = view(contents)
    assert found is not None
    (table,) = found.tables
    ours = contents.results.methods[0].metrics["balanced_accuracy"]
    assert table.rows["Baseline"][0].published == "0.715"
    assert table.rows["Baseline"][0].ours == f"{ours.mean:.3f} ± {ours.sd:.3f}"
    assert table.rows["Baseline"][1].published == table.rows["Baseline"][1].ours == ""
    assert [e.ours for e in table.rows["Another"]] == ["", ""]


def test_a_study_without_a_published_table_has_no_such_section(make_run: MakeRun) -> None:
    page = write_report(make_run()).read_text()
    assert "Beside the published numbers" not in page


def test_captions_are_escaped_and_notes_are_shown(make_run: MakeRun) -> None:
    page = write_report(run_with([TABLE], make_run)).read_text()
    assert "Paper &lt;X&gt;, Table 1" in page
    assert "One run." in page
    assert "243.0<" in page
