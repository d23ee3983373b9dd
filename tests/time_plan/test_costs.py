"""Seconds of a study from measured numbers, by hand."""

import pytest

from equipoise.time_plan.costs import StudyCosts

COSTS = StudyCosts(
    spent={"reading": 5.0, "training": 20.0},
    n_workers=2,
    start=3.0,
    cells={"none": 4.0, "crt": 6.0, "dcgan": 90.0},
    finished={"none": 2, "crt": 2},
    tables_of_cell=0.5,
    evidence=10.0,
    evidence_of_generator=40.0,
    evidence_of_split=2.0,
    report_of_cell=0.1,
    generators=frozenset({"dcgan"}),
)


def test_stages_of_a_study() -> None:
    stages = COSTS.stages(("none", "crt"), n_splits=5, n_seeds=2)
    assert stages["training"] == 20 + 3 + (8 * 4 + 8 * 6) / 2
    assert stages["tables"] == 0.5 * 20
    assert stages["evidence"] == 10 + 2 * 5
    assert stages["report"] == pytest.approx(2.0)
    assert stages["reading"] == 5


def test_finished_cells_cost_nothing() -> None:
    assert COSTS.stages(("none", "crt"), n_splits=2, n_seeds=1)["training"] == 20.0
    assert COSTS.stages(("none",), n_splits=1, n_seeds=1)["training"] == 20.0


def test_synthetic_images_cost_evidence() -> None:
    plain = COSTS.stages(("none", "crt"), n_splits=3, n_seeds=1)
    generated = COSTS.stages(("none", "crt", "dcgan"), n_splits=3, n_seeds=1)
    assert generated["evidence"] - plain["evidence"] == 40
    assert generated["training"] - plain["training"] == 3 * 90 / 2


def test_a_method_may_have_fewer_splits() -> None:
    stages = COSTS.stages(("none", "dcgan"), n_splits=4, n_seeds=2, limits={"dcgan": 1})
    assert stages["training"] == 20 + 3 + (6 * 4 + 2 * 90) / 2
    assert stages["tables"] == 0.5 * (8 + 2)
