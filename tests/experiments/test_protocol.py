"""Counts that no study could list or end are refused where they are written."""

from typing import Any

import pytest

from equipoise.data.phantoms.datasets import cells
from equipoise.data.splits import hold_out
from equipoise.deployment.generate import GenerationRequest
from equipoise.exceptions import SettingError
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import (
    MOST_REPEATS,
    Budget,
    Protocol,
    VolumeBudget,
    VolumeProtocol,
)
from equipoise.experiments.running.executors import default_executor
from equipoise.experiments.study import Study


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (Protocol, "n_seeds"),
        (Protocol, "n_splits"),
        (VolumeProtocol, "n_seeds"),
        (VolumeProtocol, "n_folds"),
        (Budget, "n_steps"),
        (Budget, "gan_steps"),
        (VolumeBudget, "n_steps"),
        (VolumeBudget, "epoch_steps"),
    ],
)
@pytest.mark.parametrize("count", [10**8, 0, -1, 1.5])
def test_a_count_out_of_range_is_refused_by_its_name(record: Any, name: str, count: int) -> None:
    with pytest.raises(SettingError, match=f"{name} of {count}"):
        record(**{name: count})
    assert getattr(record(**{name: 1}), name) == 1


def test_all_wrong_counts_are_named_at_once() -> None:
    with pytest.raises(SettingError, match="n_seeds of 0, n_splits of 100000000"):
        Protocol(n_seeds=0, n_splits=10**8)


def test_counts_elsewhere_have_limits_too() -> None:
    dataset = cells((30, 12), size=32)
    splits = hold_out(dataset, n_splits=1)
    methods = build_methods(["none"], Budget())
    with pytest.raises(SettingError, match="100,000,000"):
        Study(name="x", dataset=dataset, splits=splits, methods=methods, seeds=range(10**8))
    with pytest.raises(SettingError, match="workers of 100000000"):
        default_executor("cpu", workers=10**8)
    with pytest.raises(SettingError, match="1,000,000,000"):
        GenerationRequest(classes=("ill",), n=10**9)
    assert MOST_REPEATS == 1000
