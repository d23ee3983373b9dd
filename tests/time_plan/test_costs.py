"""Seconds of a study from measured numbers, by hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from equipoise.evidence.kinds.quality import MOST_RUNS
from equipoise.experiments.study import Study
from equipoise.time_plan.costs import StudyCosts
from equipoise.time_plan.synthetic_evidence import COMPARISON, DRAWING, SyntheticEvidence

MakeStudy = Callable[..., Study]

SYNTHETIC = SyntheticEvidence(
    extractors=(0.01, 0.03), n_real=1000, most_real_of_split=400, n_synthetic=50, n_classes=2
)
COSTS = StudyCosts(
    spent={"reading": 5.0, "training": 20.0},
    n_workers=2,
    start=3.0,
    cells={"none": 4.0, "crt": 6.0, "dcgan": 90.0},
    finished={"none": 2, "crt": 2},
    tables_of_cell=0.5,
    evidence=10.0,
    synthetic_evidence=SYNTHETIC,
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
    of_synthetic = SYNTHETIC.seconds([3], n_splits=3)
    assert generated["evidence"] - plain["evidence"] == pytest.approx(of_synthetic)
    assert generated["training"] - plain["training"] == 3 * 90 / 2


def test_a_method_may_have_fewer_splits() -> None:
    stages = COSTS.stages(("none", "dcgan"), n_splits=4, n_seeds=2, limits={"dcgan": 1})
    assert stages["training"] == 20 + 3 + (6 * 4 + 2 * 90) / 2
    assert stages["tables"] == 0.5 * (8 + 2)


def test_evidence_grows_with_cells_extractors_and_image_size() -> None:
    of_cell = 50 * 0.04 + 2 * 2 * 10 * COMPARISON
    assert SYNTHETIC.seconds([1], 1) == pytest.approx(DRAWING + 400 * 0.04 + of_cell)
    assert SYNTHETIC.seconds([3], 3) == pytest.approx(DRAWING + 1000 * 0.04 + 3 * of_cell)
    assert SYNTHETIC.seconds([100], 100) == SYNTHETIC.seconds([MOST_RUNS], 100)
    larger = replace(SYNTHETIC, extractors=(0.02, 0.06))
    assert larger.seconds([3], 3) - SYNTHETIC.seconds([3], 3) == pytest.approx(1150 * 0.04)
    assert SYNTHETIC.seconds([], 3) == 0


def test_what_is_compared_is_counted_in_the_training_images(make_study: MakeStudy) -> None:
    study = make_study()
    costs = SyntheticEvidence.of(study, [0.1])
    counts = study.images.subset(study.splits[0].train).counts
    assert costs.n_synthetic == counts.max() - counts.min()
    assert (costs.n_classes, costs.n_real) == (1, len(study.images))
