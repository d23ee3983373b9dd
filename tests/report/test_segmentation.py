"""The report of a study of volumes: complete, self-contained, no patient named."""

import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.fixtures.volume_run import LOW_GRADE, label_maps

from equipoise.atomic import read_json, write_json
from equipoise.data.volumes.loading import NO_PATIENTS
from equipoise.report.html import first_screen_warnings, write_report
from equipoise.report.run_contents import read_contents
from equipoise.report.segmentation import AFTER, BEFORE, glance, stages
from equipoise.report.volumes import class_counts, further_tables, patients
from equipoise.results.tables import write_all_tables
from equipoise.runs.run import open_run


class Page(HTMLParser):
    """Collects tags and words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def attributes(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]


def test_every_section_region_class_method_and_metric_is_named(volumes_page: str) -> None:
    headings = re.findall(r"<h2[^>]*>([^<]+)</h2>", volumes_page)
    sections = [
        "What the methods draw",
        "Checks of training and test",
        "What the networks were shown",
    ]
    before = [heading for name, heading in BEFORE.items() if name != "failed"]
    assert headings[1:] == [*before, *sections, *AFTER.values()]  # behind the warnings
    for name in (
        "whole",
        "core",
        "active",
        "edema",
        "non-enhancing",
        "dense",
        "cascade",
        "Hausdorff-95",
        "Lesion F1",
    ):
        assert name in volumes_page


def test_nothing_of_a_study_of_images_is_left(volumes_page: str) -> None:
    text = volumes_page.split("</style>")[1]
    for words in ("ROC", "onfusion", "uplicate", "ynthetic", "lassifiers", "Generators", "recall"):
        assert words not in text


def test_figures_speak_ids_are_unique_and_headings_in_order(volumes_page: str) -> None:
    found = Page(volumes_page)
    ids = Counter(found.attributes("id"))
    assert set(ids.values()) == {1}
    assert {link[1:] for link in found.attributes("href") if link.startswith("#")} <= set(ids)
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch(r"h\d", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for tag, attributes in found.tags:
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"


def test_nothing_is_loaded_from_anywhere_and_nobody_is_named(volumes_page: str) -> None:
    assert all(link.startswith(("#", "data:")) for link in Page(volumes_page).attributes("href"))
    assert not re.search(r"https?:|@import|url\(|<script", volumes_page)
    assert "case-" not in volumes_page


def test_the_same_files_give_the_same_bytes(volumes_copy: Path, volumes_page: str) -> None:
    assert write_report(volumes_copy).read_text(encoding="utf-8") == volumes_page


def test_voxels_and_who_has_them_are_counted(volumes_run: Path) -> None:
    contents = read_contents(volumes_run)
    rows = {row.name: row for row in class_counts(contents, contents.run.volumes)}
    for code, name in ((1, "necrosis"), (2, "edema"), (4, "enhancing")):
        assert rows[name].count == f"{sum(int((codes == code).sum()) for codes in label_maps()):,}"
    assert (rows["enhancing"].patients, rows["edema"].cases) == ("4 of 5", "5 of 5")
    assert [row.name for row in rows.values() if row.rare] == ["necrosis"]
    total = sum(contents.description.dataset.counts)
    assert glance(contents)["rarest class, of all voxels"].startswith(
        f"{100 * min(contents.description.dataset.counts) / total:.2g}"
    )


def test_metrics_say_how_many_maps_they_leave_out(volumes_run: Path) -> None:
    """Sensitivity needs a truth: a patient without an active part is left out of every mean."""
    tables = {
        table.title: table
        for table in further_tables(read_contents(volumes_run), open_run(volumes_run).volumes)
    }
    sensitivity = tables["Sensitivity"]
    assert [metric.label for metric in sensitivity.metrics] == ["whole", "core", "active"]
    assert {row[2].note for row in sensitivity.rows.values()} == {"1 of 5 left out"}
    assert {row[0].note for row in sensitivity.rows.values()} == {""}
    assert re.fullmatch(
        r"\d+\.\d( ± \d+\.\d)?", tables["Hausdorff-95 (mm)"].rows["random"][0].value
    )


def test_the_dice_of_each_patient_is_the_mean_over_seeds(volumes_copy: Path) -> None:
    lines = (volumes_copy / "patients.csv").read_text().splitlines()
    more = [
        line.replace("random,0,", "random,1,").rsplit(",", 1)[0] + ",0.5"
        for line in lines
        if line.startswith("random")
    ]
    (volumes_copy / "patients.csv").write_text("\n".join([*lines, *more]) + "\n")
    strip = patients(read_contents(volumes_copy))[0]
    measured = {
        line.split(",")[2]: float(line.rsplit(",", 1)[1])
        for line in lines
        if line.startswith("random,0,") and "mean_dice" in line
    }
    assert strip.title == "Mean Dice"
    assert strip.patients == [0, 1, 2, 3, 4]
    assert strip.rows["random"] == {
        int(p): pytest.approx((value + 0.5) / 2) for p, value in measured.items()
    }


def test_without_the_file_of_patients_there_is_no_chart_of_them(volumes_copy: Path) -> None:
    (volumes_copy / "patients.csv").unlink()
    assert patients(read_contents(volumes_copy)) == []


def test_warnings_of_dense_mode_few_patients_and_notes(volumes_run: Path) -> None:
    said = list(first_screen_warnings(read_contents(volumes_run)))
    assert any("With 5 test patients " in text for text in said)
    assert any(text.startswith("In dense mode (dense) ") for text in said)
    assert said.count("random, in 2 of 2 cells: The network found nothing.") == 1
    assert len(said) == 4


def test_dense_mode_is_found_inside_a_cascade(volumes_copy: Path) -> None:
    study = read_json(volumes_copy / "study.json")
    study["methods"][2]["steps"][-1]["settings"]["divide"] = {"mode": "dense"}
    write_json(volumes_copy / "study.json", study)
    assert any(
        "In dense mode (dense, cascade)" in text
        for text in first_screen_warnings(read_contents(volumes_copy))
    )


def test_what_is_missing_failed_or_was_left_out_is_said_and_names_are_escaped(
    volumes_copy: Path,
) -> None:
    study = read_json(volumes_copy / "study.json")
    study["facts"] = {"skipped": ["case 7 has no T2."], "notes": ["Labels were guessed."]}
    study["dataset"]["modalities"] = [evil := "<script>alert(1)</script>", "FLAIR"]
    write_json(volumes_copy / "study.json", study)
    shutil.rmtree(volumes_copy / "cells" / "cascade" / "fold-0")
    cell = volumes_copy / "cells" / "dense" / "fold-1" / "seed-0"
    write_json(
        cell / "record.json",
        {**read_json(cell / "record.json"), "status": "failed", "error": "too dark"},
    )
    write_all_tables(open_run(volumes_copy))
    said = list(first_screen_warnings(read_contents(volumes_copy, names=True)))
    assert said[0] == "1 of 6 cells failed (dense in 1 of 2 runs): too dark"
    assert "1 of 6 cells is missing" in said[1]
    assert said[-1].endswith(": case 7 has no T2.")
    assert "Labels were guessed." in said
    assert evil not in write_report(volumes_copy).read_text(encoding="utf-8")


def test_a_run_without_a_finished_cell_is_reported(volumes_copy: Path) -> None:
    shutil.rmtree(volumes_copy / "cells")
    shutil.rmtree(volumes_copy / "evidence")
    write_all_tables(open_run(volumes_copy))
    text = write_report(volumes_copy).read_text()
    assert "No cell is finished" in text
    assert "Training" not in re.findall(r"<h2[^>]*>([^<]+)</h2>", text)


def test_stages_are_drawn_apart_and_classes_named(volumes_run: Path) -> None:
    found = stages(read_contents(volumes_run))
    assert {stage: list(drawn) for stage, (drawn, _) in found.items()} == {
        "": ["random", "dense"],
        "detect": ["cascade"],
        "divide": ["cascade"],
    }
    assert [panel.title for panel in found[""][1]] == [
        "validation mean Dice",
        "hard share of enhancing",
        "loss",
    ]
    assert "hard share of class 4" in [panel.title for panel in found["divide"][1]]


def test_the_patient_without_an_active_part_is_where_it_is_said() -> None:
    assert [bool(np.any(codes == 4)) for codes in label_maps()] == [
        i != LOW_GRADE for i in range(5)
    ]


def test_where_no_patients_are_known_the_page_speaks_of_cases(volumes_copy: Path) -> None:
    study = read_json(volumes_copy / "study.json")
    study["facts"]["notes"] = [NO_PATIENTS]
    write_json(volumes_copy / "study.json", study)
    write_all_tables(open_run(volumes_copy))
    page = write_report(volumes_copy).read_text(encoding="utf-8")
    # Notes may speak of patients, and so may what is said of them being unknown.
    elsewhere = r"<(style|svg|li|footer)\b.*?</\1>|<dt>patients</dt>"
    words = re.sub("<[^>]*>", " ", re.sub(elsewhere, "", page, flags=re.DOTALL))
    assert [line for line in words.splitlines() if "patient" in line.lower()] == []
    assert "Mean Dice of each case" in words


def test_a_quantity_that_was_recorded_once_is_a_point_and_no_empty_chart(
    volumes_copy: Path,
) -> None:
    for path in volumes_copy.glob("cells/*/*/*/history.csv"):
        lines = path.read_text().splitlines()
        path.write_text("\n".join(line for line in lines if not re.search(",1,loss", line)) + "\n")
    page = write_report(volumes_copy).read_text(encoding="utf-8")
    charts = re.findall(r'<svg viewBox="0 0 360 250".*?</svg>', page, flags=re.DOTALL)
    assert any('class="point' in chart for chart in charts)
    for chart in charts:
        lines = re.findall(r'points="([^"]*)"', chart)
        assert 'class="point' in chart or lines
        assert all(" " in points for points in lines)
