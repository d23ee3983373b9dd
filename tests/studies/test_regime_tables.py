import math
from pathlib import Path

from studies.regime_tables import RegimeRow, main

from equipoise.runs.csv_records import read_rows
from equipoise.testing.image_runs import Arm, write_image_run

ARMS = {"none": Arm(1.2, -1.5), "shifted": Arm(1.2, 0.0), "better": Arm(3.0, -1.5)}


def test_a_row_for_each_run(tmp_path: Path) -> None:
    folders = [write_image_run(tmp_path / name, ARMS) for name in ("frozen_a", "finetune_b")]
    for folder in reversed(folders):  # a second call keeps the runs of the first
        main(tmp_path / "regimes", [folder])
    rows = read_rows(tmp_path / "regimes" / "table.csv", RegimeRow)
    assert [(row.run, row.regime) for row in rows] == [
        ("frozen_a", "frozen"),
        ("finetune_b", "finetune"),
    ]
    row = rows[0]
    assert row.cells == 9
    assert (row.best, row.better) == ("better", "better")
    assert row.best_low < row.best_auroc < row.best_high
    assert row.widest_move > 0.1
    assert math.isnan(row.reference_auroc)
    assert (tmp_path / "regimes" / "frozen_a" / "study.json").is_file()
    lines = (tmp_path / "regimes" / "table.md").read_text(encoding="utf-8").splitlines()
    assert [line.split()[1] for line in lines if line.startswith("| f")] == [
        "frozen_a",
        "finetune_b",
    ] * 2  # what they find, and how long they took
    assert lines[2].startswith("| frozen_a |")
