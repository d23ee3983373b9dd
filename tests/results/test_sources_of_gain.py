from collections.abc import Callable
from pathlib import Path

import pytest

from equipoise.results.image_tables import summarize
from equipoise.results.records import RANKING
from equipoise.results.reference import ReferenceGain, ReferenceResults
from equipoise.results.sources_of_gain import sources_of_gain
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]


def gain_of(method: str, features: str = "statistics") -> ReferenceGain:
    return ReferenceGain(
        features=features,
        method=method,
        reference=0.7,
        auroc=0.9,
        difference=-0.2,
        low=-0.25,
        high=-0.15,
    )


def test_what_features_give_stands_beside_what_rebalancing_gives(write_run: WriteRun) -> None:
    arms = {"none": (1.0, 0.0), "better": (2.0, 0.0), "worse": (0.5, 0.0)}
    run = open_run(write_run(arms, n_splits=3))
    results = summarize(run, n_draws=50)
    reference = ReferenceResults(scores=(), gains=(gain_of("better"), gain_of("none")), notes=())
    text = sources_of_gain(reference, results, run.images)
    assert "+0.200 [+0.150, +0.250]" in text
    (row,) = [row for row in results.compared_on(RANKING) if row.method == "better"]
    assert f"{row.difference:+.3f} [{row.low:+.3f}, {row.high:+.3f}]" in text
    assert "with better (of 2 methods" in text


@pytest.mark.parametrize("gains", [(), (gain_of("better"),), (gain_of("none", "network"),)])
def test_nothing_is_said_without_the_simplest_reference(
    write_run: WriteRun, gains: tuple[ReferenceGain, ...]
) -> None:
    run = open_run(write_run({"none": (1.0, 0.0), "better": (2.0, 0.0)}, n_splits=3))
    results = summarize(run, n_draws=50)
    reference = ReferenceResults(scores=(), gains=gains, notes=())
    assert sources_of_gain(reference, results, run.images) == ""
