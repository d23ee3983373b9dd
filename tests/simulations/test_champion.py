"""The rule of the product is simulated, and the committed biases keep the limit."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulations.champion import DESIGNS, Design, choices, run_design, simulate

from equipoise.randomness import make_rng

COMMITTED = Path(__file__).parents[2] / "docs/results/simulations/champion.json"
MOST_BIAS = 0.004
MOST_BIAS_OF_ONE_SEED = 0.01


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(COMMITTED.read_text())
    return document


def test_it_is_deterministic() -> None:
    design = Design(kind="hold-out", n_splits=2, n_seeds=2)
    assert run_design(design, 4) == run_design(design, 4)


def test_a_run_has_no_say_in_its_own_choice() -> None:
    study = simulate(make_rng("simulated"), Design(kind="hold-out", n_splits=2, n_seeds=3))
    chosen = choices(study)["other_seeds"]
    study.validation[0, 0, 1] = 1 - study.validation[0, 0, 1]
    again = choices(study)["other_seeds"]
    assert chosen[0, 1] == again[0, 1]
    assert np.array_equal(chosen[1], again[1])


def test_no_fold_leaves_untested_patients() -> None:
    study = simulate(make_rng("simulated"), Design(kind="k-fold", n_splits=3, n_seeds=1))
    assert "untested" not in choices(study)


def test_the_committed_gains_of_equal_generators_are_unbiased(committed: dict[str, Any]) -> None:
    assert [row["design"] for row in committed["designs"]] == [asdict(d) for d in DESIGNS]
    assert committed["replications"] >= 1000
    for row in committed["designs"]:
        design, rules = row["design"], row["rules"]
        if design["better"]:
            continue
        most = MOST_BIAS if design["n_seeds"] > 1 else MOST_BIAS_OF_ONE_SEED
        assert abs(rules["other_seeds"]["gain"]) <= most
        assert rules["other_seeds"]["error"] <= 0.002
        assert row["alarms"] <= 0.05
        if design["n_splits"] > 1:
            assert rules["best_mean"]["gain"] >= 0.01
