"""The committed false alarms of the classification test keep the nominal rate."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from simulations.classification import GRID, ONE_SPLIT, Design, run_design

COMMITTED = Path(__file__).parents[2] / "docs/results/simulations/classification.json"
MOST_ALARMS = 0.05
MOST_ALARMS_OF_TWO_FOLDS = 0.1


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(COMMITTED.read_text())
    return document


def test_it_is_deterministic() -> None:
    design = Design(kind="hold-out", n_splits=1, n_seeds=2)
    assert run_design(design, 3) == run_design(design, 3)


def test_the_committed_false_alarms_are_few(committed: dict[str, Any]) -> None:
    assert [row["design"] for row in committed["grid"]] == [asdict(d) for d in GRID]
    assert committed["replications"] >= 1000
    for row in committed["grid"]:
        design = row["design"]
        two_folds = (design["kind"], design["n_splits"]) == ("k-fold", 2)
        most = MOST_ALARMS_OF_TWO_FOLDS if two_folds else MOST_ALARMS
        assert row["alarms"] <= most + 2 * row["alarms_error"]


def test_a_single_split_speaks_of_its_training_images(committed: dict[str, Any]) -> None:
    rows = committed["one_split"]
    assert [row["design"] for row in rows] == [asdict(d) for d in ONE_SPLIT]
    for row in rows:
        assert row["conditional"] <= MOST_ALARMS + 2 * row["conditional_error"]
    assert rows[-1]["alarms"] > 2 * MOST_ALARMS
