"""The committed tests and intervals of studies of volumes are those of the product."""

import csv
import shutil
from pathlib import Path

import pytest
from studies.republish_volumes import republish

RESULTS = Path(__file__).parents[2] / "docs/results"


@pytest.mark.parametrize("name", ["s3_brain_tumor_drawn", "s3_brain_tumor_sampling"])
def test_what_is_committed_is_what_is_computed(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(RESULTS / name, folder)
    republish(folder)
    for path in sorted((RESULTS / name).iterdir()):
        assert (folder / path.name).read_bytes() == path.read_bytes(), path.name


def rows(table: str) -> dict[tuple[str, str], dict[str, str]]:
    with (RESULTS / "s3_brain_tumor_drawn" / table).open(newline="", encoding="utf-8") as file:
        return {(row["method"], row["metric"]): row for row in csv.DictReader(file)}


def test_the_conclusions_of_the_drawn_brains() -> None:
    against_random = rows("comparisons.csv")
    against_balanced = rows("comparisons_with_balanced.csv")
    assert {row["verdict"] for row in against_random.values()} == {"no detectable difference"}
    assert 0.06 <= float(against_random["balanced", "mean_dice"]["p"]) <= 0.08
    assert float(against_random["balanced_corrected", "dice_whole"]["p_holm"]) > 0.05
    for key in (("hard_example", "mean_dice"), ("balanced_corrected", "dice_whole")):
        assert 0.004 <= float(against_balanced[key]["p"]) <= 0.009
    active = against_balanced["balanced_corrected", "dice_active"]
    assert float(active["low"]) < 0 < float(active["high"])
