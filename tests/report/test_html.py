"""The report as a file: complete, escaped, self-contained, the same bytes again."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.atomic import read_json, write_json
from equipoise.data.images.listing import NO_PATIENTS
from equipoise.exceptions import DataError
from equipoise.report.classification import AFTER, BEFORE
from equipoise.report.failed_cells import failure_groups, failures
from equipoise.report.html import TEMPLATES, write_report
from equipoise.report.notices import arrange
from equipoise.report.overview import basis, glance, notices
from equipoise.report.run_contents import read_contents
from equipoise.results.image_tables import summarize
from equipoise.runs.description import COINCIDENCE
from equipoise.runs.run import open_run

VOID = {"meta", "link", "img", "br", "wbr", "line", "rect", "circle", "polyline"}
SEVERAL = ("none", "class_weights", "oversampling", "dcgan", "cdcgan")
SEVEN = tuple(f"epithelium of kind {k} with a long name" for k in range(7))

MakeRun = Callable[..., Path]


class Page(HTMLParser):
    """Collects what a test asks of a page, and fails where a tag is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).replace("\N{NO-BREAK SPACE}", " ").split())

    def attributes(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]


def page_of(run: Path) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def test_the_verdict_comes_first_and_names_the_positive_class(make_run: MakeRun) -> None:
    run = make_run()
    page = page_of(run)
    first, second = summarize(open_run(run), n_draws=50).verdict
    opening = page.text.split("Contents")[0]
    assert f"{first} {second}" in opening
    assert "Positive class: carcinoma (the smallest). 4 paired runs" in opening
    title = "fabricated: which way of rebalancing helps "
    opening = opening.removeprefix(title).removeprefix("Skip to the content ")
    assert opening.removeprefix(title).startswith(first)


def test_every_class_method_section_and_setting_is_named(make_run: MakeRun) -> None:
    text = page_of(
        make_run(
            class_names=SEVEN, counts=(60, 50, 40, 30, 30, 30, 20), channels=3, failed=("dcgan",)
        )
    ).text
    methods = ("none", "class_weights", "oversampling", "dcgan", "cdcgan")
    for name in (*SEVEN, *methods, *BEFORE.values(), *AFTER.values()):
        assert name in text
    for setting in (
        "learning_rate",
        "0.001",
        "equipoise run [hidden] --size 28",
        "torch 2.13.0",
        "split-1",
    ):
        assert setting in text


def test_unknown_patients_are_not_counted(make_run: MakeRun) -> None:
    contents = read_contents(make_run(notes=(NO_PATIENTS,)))
    assert glance(contents)["patients"] == "unknown"
    assert "by image" in basis(contents)
    with_patients = read_contents(make_run())
    assert glance(with_patients)["patients"].isdigit()
    assert "by patient" in basis(with_patients)


def test_names_from_outside_are_escaped(make_run: MakeRun) -> None:
    evil = "<script>alert(1)</script>"
    quoting = "\" onload='alert(2)'"
    run = make_run(class_names=(evil, quoting), crossing=True, notes=(f"{evil} was converted.",))
    text = write_report(run).read_text(encoding="utf-8")
    page = Page(text)
    assert evil not in text
    assert "script" not in {tag for tag, _ in page.tags}
    assert not page.attributes("onload")
    assert f"{evil} was converted." in page.text


def test_nothing_is_loaded_from_anywhere(make_run: MakeRun) -> None:
    run = make_run()
    text = write_report(run).read_text(encoding="utf-8")
    page = Page(text)
    assert all(source.startswith("data:image/png;base64,") for source in page.attributes("src"))
    assert all(
        link.startswith(("#", "data:,", "data:text/csv;")) for link in page.attributes("href")
    )
    assert not re.search(r"https?:|@import|url\(|srcset|<script", text)


def test_the_same_files_give_the_same_bytes(make_run: MakeRun) -> None:
    run = make_run(failed=("dcgan",))
    once = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == once


def test_figures_speak_and_headings_are_in_order(make_run: MakeRun) -> None:
    page = page_of(make_run(failed=("cdcgan",)))
    ids = Counter(page.attributes("id"))
    assert set(ids.values()) == {1}
    assert {link[1:] for link in page.attributes("href") if link.startswith("#")} <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for tag, attributes in page.tags:
        if tag == "img":
            assert attributes["alt"]
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"failed": ("dcgan",)},
            "1 of 20 cells failed (dcgan in 1 of 4 runs): critic_loss became nan at step 812.",
        ),
        ({"broken": ("cdcgan",)}, "4 of 20 cells failed (cdcgan in 4 of 4 runs)"),
        ({"broken": ("cdcgan",)}, "not in these tables: cdcgan (failed)."),
        ({"broken": SEVERAL}, "Every cell failed and none has finished"),
        ({"absent": ("cdcgan",)}, "This study is not finished: 4 of 20 cells are missing."),
        (
            {"absent": SEVERAL},
            "No cell is finished yet",
        ),
        ({"methods": ("none",)}, "There is nothing to compare"),
        ({"history": False}, "No classifier recorded its training."),
        ({"n_splits": 1, "n_seeds": 1}, "not enough runs"),
        ({"crossing": True}, "1 pair of duplicate images crosses from training into test (split"),
        ({"notes": ("142 files were converted.",)}, "142 files were converted."),
        ({"counts": (90, 90)}, "imbalance ratio1.0"),
        ({"dtype": "uint16"}, "stored as uint16"),
        ({"dtype": "float32", "channels": 3, "size": 128}, "reduced to 96"),
    ],
)
def test_what_a_run_lacks_or_has_is_said(
    make_run: MakeRun, fields: dict[str, Any], expected: str
) -> None:
    assert expected in page_of(make_run(**fields)).text


def headings(page: str) -> list[str]:
    return re.findall(r"<h[23][^>]*>([^<]*)</h[23]>", page)


def test_no_section_is_about_what_a_run_does_not_have(make_run: MakeRun) -> None:
    plain = make_run(methods=("none", "oversampling"))
    without_generators = write_report(plain).read_text(encoding="utf-8").split("<body>")[1]
    assert "generator" not in without_generators
    assert "Images" in headings(without_generators)
    assert "Failed cells" not in headings(without_generators)
    failed = write_report(make_run(broken=SEVERAL)).read_text(encoding="utf-8")
    assert "Failed cells" in headings(failed)
    missing = {"Comparison with the baseline", "Training", "Cost"}
    assert not missing & set(headings(failed))
    assert "<svg role" not in failed  # no chart


def test_failed_cells_are_listed_with_their_reason(make_run: MakeRun) -> None:
    contents = read_contents(make_run(failed=("dcgan",), broken=("cdcgan",)))
    groups = failure_groups(contents)
    assert [(group.method, len(group.cells), group.n_cells) for group in groups] == [
        ("dcgan", 1, 4),
        ("cdcgan", 4, 4),
    ]
    assert groups[0].cells == ["split-0, seed 0"]
    (notice,) = failures(contents)
    assert "5 of 20 cells failed (dcgan in 1 of 4 runs and cdcgan in 4 of 4 runs)" in notice.text


def test_errors_that_differ_in_numbers_alone_are_one_reason(make_run: MakeRun) -> None:
    contents = read_contents(make_run(broken=("cdcgan",)))
    records = []
    for i, record in enumerate(contents.failed):
        records.append(replace(record, error=f"Images differ by {i}.{i} %, expected 5 %."))
    vars(contents)["failed"] = tuple(records)  # a cached property
    (group,) = failure_groups(contents)
    assert len(group.cells) == 4
    assert group.error == "Images differ by 0.0 %, expected 5 %."
    (notice,) = failures(contents)
    assert "4 of 20 cells failed" in notice.text


def test_what_changes_the_reading_is_open_and_the_rest_is_folded(make_run: MakeRun) -> None:
    user = "These are phantoms."
    run = make_run(
        counts=(60, 16), failed=("dcgan",), crossing=True, notes=(user, NO_PATIENTS, "One note.")
    )
    facts = read_json(run / "study.json")
    facts["facts"]["n_stated_notes"] = 1
    write_json(run / "study.json", facts)
    contents = read_contents(run)
    board = arrange(notices(contents))
    assert len(board.prominent) == 3
    assert board.prominent[0] == user
    folded = [text for texts in board.more.values() for text in texts]
    assert {"One note.", NO_PATIENTS} <= set(folded)
    assert len(folded) + 3 == len(list(notices(contents)))
    page = page_of(run)
    assert page.attributes("class").count("warnings") == 1
    assert all(text in page.text for text in folded)


def test_a_class_that_files_give_away_is_open_before_lesser_notes(make_run: MakeRun) -> None:
    lesser = ("Columns.", "Patients by column.", "Cropped.")
    run = make_run(counts=(60, 16), notes=(*lesser, f"{COINCIDENCE}: 2 of 60 are square."))
    board = arrange(notices(read_contents(run)))
    assert any(text.startswith(COINCIDENCE) for text in board.prominent)
    assert not set(lesser) & set(board.prominent)


def test_only_whole_sentences_of_the_verdict_have_lines_of_their_own() -> None:
    """A name such as Covid-19 stands in a span, too, so that it does not break."""
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    rules = [line for line in style.splitlines() if line.strip().startswith(".verdict span")]
    assert rules
    assert all(":not(.unbroken)" in rule for rule in rules)


def test_a_run_without_examples_or_scan_is_reported(make_run: MakeRun) -> None:
    run = make_run()
    for name in ("examples.npz", "duplicates.json"):
        (run / name).unlink()
    text = page_of(run).text
    assert "No example images" in text
    assert "No scan for duplicates" in text


def test_copies_with_different_labels_are_shown(make_run: MakeRun) -> None:
    run = make_run()
    stored = dict(np.load(run / "examples.npz"))
    pairs = [["image-0000", "image-0012"], ["image-0001", "image-0013"]]
    rows = [0, 12, 1, 13]
    np.savez(run / "conflicts.npz", images=stored["images"][rows], labels=stored["labels"][rows])
    duplicates = {"exact": pairs, "near": [], "conflicting": pairs}
    write_json(run / "duplicates.json", duplicates)
    page = page_of(run)
    assert page.text.count("Two copies of an image") == 0  # they are descriptions of images
    assert "Copies with different labels" in page.text
    assert "2 pairs of duplicate images have different labels" in page.text
    assert "image-0012" not in page.text


def test_many_classes_of_large_color_images_fit_into_an_email(make_run: MakeRun) -> None:
    run = make_run(
        class_names=SEVEN, counts=(60,) * 6 + (20,), channels=3, size=128, n_splits=1, n_seeds=2
    )
    assert write_report(run).stat().st_size < 3_000_000


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"study\.json"):
        write_report(tmp_path)


def test_torch_is_not_needed() -> None:
    code = "import sys, equipoise.report.html; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_section_imports_torch() -> None:
    """It would cost every report seconds."""
    code = (
        "import sys; from equipoise.discovery import modules; from equipoise.report import html, "
        "sections; modules(sections); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
