"""The section of class shares: means over cells, stages apart, no pixels in center mode."""

from pathlib import Path

import pytest

from equipoise.report.run_contents import read_contents
from equipoise.report.sections.frequencies import view
from equipoise.report.volumes import share

CLASSES = ("healthy", "necrosis", "edema", "non-enhancing", "enhancing")


def test_shares_are_those_that_the_cells_counted(volumes_run: Path) -> None:
    found = view(read_contents(volumes_run))
    assert found is not None
    stages = {stage.title: stage for stage in found.tables[CLASSES]}
    assert list(stages) == ["random", "dense", "cascade, detect", "cascade, divide"]
    random, dense = stages["random"].rows, stages["dense"].rows
    assert list(random) == ["requested", "drawn"]
    assert [percent for _, percent in random["requested"]] == [20.0] * 5
    assert [percent for _, percent in random["drawn"]] == [50.0] + [12.5] * 4
    assert [percent for _, percent in dense["all pixels"]] == [92.0] + [2.0] * 4


def test_cells_are_averaged(volumes_copy: Path) -> None:
    path = volumes_copy / "cells" / "random" / "fold-0" / "seed-0" / "frequencies.csv"
    path.write_text(path.read_text().replace(",0.500000,", ",0.700000,"))
    found = view(read_contents(volumes_copy))
    assert found is not None
    assert found.tables[CLASSES][0].rows["drawn"][0] == (share(0.6), 60.0)


def test_classes_of_other_stages_have_a_table_of_their_own(volumes_copy: Path) -> None:
    for path in (volumes_copy / "cells" / "cascade").rglob("frequencies.csv"):
        lines = path.read_text().splitlines()
        kept = [line for line in lines if not line.startswith("detect") or ",edema," not in line]
        path.write_text("\n".join(kept) + "\n")
    found = view(read_contents(volumes_copy))
    assert found is not None
    assert [[stage.title for stage in stages] for stages in found.tables.values()] == [
        ["random", "dense", "cascade, divide"],
        ["cascade, detect"],
    ]


def test_the_page_says_what_the_shares_mean_and_tau(volumes_page: str) -> None:
    assert "In center mode" in volumes_page
    assert "these pixels remain imbalanced" in volumes_page
    assert "mean tau 0.50 (cells from 0.50 to 0.50)" in volumes_page


def test_without_a_finished_cell_the_section_is_left_out(volumes_copy: Path) -> None:
    for path in volumes_copy.rglob("record.json"):
        path.unlink()
    assert view(read_contents(volumes_copy)) is None


@pytest.mark.parametrize(
    ("part", "text"),
    [(0.912, "91.2"), (0.011, "1.1"), (0.00123, "0.12"), (0.0000456, "0.0046"), (0, "0.0")],
)
def test_small_shares_keep_two_digits(part: float, text: str) -> None:
    assert share(part) == f"{text}\N{NO-BREAK SPACE}%"
