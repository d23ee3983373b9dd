"""The checks of training and test raise few false alarms, and see what they are for."""

import json
from pathlib import Path
from typing import Any

import pytest
from simulations.regime import simulate

COMMITTED = Path(__file__).parents[2] / "docs/results/simulations/regime.json"


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(COMMITTED.read_text())
    return document


def test_it_is_deterministic_and_complete(committed: dict[str, Any]) -> None:
    once = simulate(2)
    assert once == simulate(2)
    assert once.keys() == committed.keys()
    for part in ("gap", "backwards", "learning"):
        rows = once[part]
        assert isinstance(rows, list)
        assert len(rows) == len(committed[part])


def test_false_alarms_are_rare(committed: dict[str, Any]) -> None:
    healthy = [row for row in committed["gap"] if row["drop"] == 0]
    assert max(row["alarms"] for row in healthy) <= 0.02
    at_random = [row for row in committed["backwards"] if row["auroc"] == 0.5]
    assert max(row["alarms"] for row in at_random) <= 0.04
    settled = [row for row in committed["learning"] if row["half_life"] <= 0.4]
    assert max(row["alarms"] for row in settled) <= 0.05


def test_what_is_wrong_is_seen_where_there_are_patients_enough(committed: dict[str, Any]) -> None:
    large = [row for row in committed["gap"] if row["patients"] == [200, 60]]
    assert [row["alarms"] > 0.95 for row in large if row["drop"] == 0.25] == [True]
    reversed_ = [row for row in committed["backwards"] if row["auroc"] == 0.3]
    assert reversed_[-1]["alarms"] > 0.95
    short = [row for row in committed["learning"] if row["half_life"] == 2.0]
    assert [row["alarms"] > 0.75 for row in short] == [True]
