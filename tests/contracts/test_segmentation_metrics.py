"""Every segmentation metric obeys the contract and agrees with scikit-learn on all voxels."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as sk

from equipoise.metrics.segmentation import SEGMENTATION_METRICS, Measures, RegionMetric
from equipoise.testing.segmentation import REGION_METRIC_CONTRACT, Reference, agrees_with


def pooled(function: Callable[..., float], *names: str) -> Reference:
    """Build a reference from scikit-learn on the voxels (or lesions) of all patients."""

    def reference(measures: Measures) -> float:
        tp, fp, fn = (int(measures[name].sum()) for name in names)
        return float(
            function(np.repeat([1, 0, 1], [tp, fp, fn]), np.repeat([1, 1, 0], [tp, fp, fn]))
        )

    return reference


def mean(function: Callable[..., float]) -> Reference:
    """Build a reference that averages the values of single patients."""
    of_patient = pooled(function, "tp", "fp", "fn")

    def reference(measures: Measures) -> float:
        values = []
        for i in range(len(measures["tp"])):
            values.append(of_patient({name: v[[i]] for name, v in measures.items()}))
        return float(np.mean(values))

    return reference


REFERENCES: dict[str, Reference] = {
    "dice": mean(sk.f1_score),
    "dice_pooled": pooled(sk.f1_score, "tp", "fp", "fn"),
    "sensitivity": mean(sk.recall_score),
    "ppv": mean(sk.precision_score),
    "hd95_mm": lambda measures: float(np.mean(measures["hd95_mm"])),
    "nsd": lambda measures: float(np.mean(measures["nsd"])),
    "lesion_f1": pooled(sk.f1_score, "lesion_tp", "lesion_fp", "lesion_fn"),
}


@pytest.mark.parametrize("metric", SEGMENTATION_METRICS.values(), ids=SEGMENTATION_METRICS)
@pytest.mark.parametrize("check", REGION_METRIC_CONTRACT, ids=lambda check: check.__name__)
def test_contract(check: Callable[[RegionMetric], None], metric: RegionMetric) -> None:
    check(metric)


@pytest.mark.parametrize("metric", SEGMENTATION_METRICS.values(), ids=SEGMENTATION_METRICS)
def test_agrees_with_an_independent_reference(metric: RegionMetric) -> None:
    agrees_with(metric, REFERENCES[metric.name])
