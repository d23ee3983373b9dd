"""Segmentation metrics: what is measured in one patient, and the table `SEGMENTATION_METRICS` over patients."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.discovery import Family
from equipoise.exceptions import DataError, SettingError
from equipoise.metrics.base import Values
from equipoise.metrics.lesions import count_lesions
from equipoise.metrics.surface import TOLERANCE_MM, Mask, bounding_box, surface_distances

Codes = NDArray[np.integer[Any]]
Regions = Mapping[str, tuple[int, ...]]  # name -> codes of the classes that make it up
Measures = Mapping[str, Values]  # of one region: name of a measure -> (n,) patients

COUNTED = (
    "tp",
    "fp",
    "fn",
    "lesion_tp",
    "lesion_fp",
    "lesion_fn",
)  # what can be summed over patients
MEASURES = (*COUNTED, "hd95_mm", "nsd")


def dice(
    tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, *, empty: Literal["one", "nan"] = "one"
) -> Values:
    """Twice the overlap over the sum of both sizes, 2 tp / (2 tp + fp + fn); of any shape, pooled counts too.

    Paper S3 prints the union in place of the overlap, which runs from 1 (perfect) to 2 (disjoint).

    Args:
        tp: Voxels in both.
        fp: Voxels in the prediction alone.
        fn: Voxels in the truth alone.
        empty: Value where both are empty: 1, since nothing was there and nothing was drawn, or NaN to leave it out.

    Source: methods 6.4.
    """
    tp, errors = np.asarray(tp, dtype=float), np.add(fp, fn, dtype=float)
    return _over(2 * tp, 2 * tp + errors, empty=1.0 if empty == "one" else np.nan)


def sensitivity(*, tp: ArrayLike, fn: ArrayLike) -> Values:
    """Share of the truth that is drawn; NaN where the truth is empty."""
    return _over(np.asarray(tp, dtype=float), np.add(tp, fn, dtype=float), empty=np.nan)


def ppv(*, tp: ArrayLike, fp: ArrayLike) -> Values:
    """Share of the drawn that is true (precision); NaN where nothing is drawn, as there is no drawing to judge."""
    return _over(np.asarray(tp, dtype=float), np.add(tp, fp, dtype=float), empty=np.nan)


class Overlap(TypedDict):
    """Voxels in both (tp), in the prediction alone (fp) and in the truth alone (fn): `dice(**overlap(...))`."""

    tp: int
    fp: int
    fn: int


def overlap(*, truth: Mask, prediction: Mask) -> Overlap:
    """Count the voxels of two masks of one shape."""
    tp = int(np.count_nonzero(truth & prediction))
    drawn, real = int(np.count_nonzero(prediction)), int(np.count_nonzero(truth))
    return {"tp": tp, "fp": drawn - tp, "fn": real - tp}


def measure_case(
    *,
    truth: Codes,
    prediction: Codes,
    regions: Regions,
    spacing_mm: Sequence[float],
    class_names: Sequence[str] | None = None,
    truth_regions: Regions | None = None,
) -> dict[str, dict[str, float]]:
    """Measure one patient; keywords only, because swapped maps silently swap sensitivity and PPV.

    Args:
        truth: (z, y, x) codes of classes.
        prediction: (z, y, x) codes of the classes with the largest score. A region is the union of its classes in
            this map, never a sum over classes.
        regions: Name -> codes of its classes in the prediction, and in the truth if `truth_regions` is None.
        spacing_mm: Distance of neighboring voxels along z, y and x.
        class_names: (k,) names; each but the first, healthy tissue, is measured too, as "class <name>".
        truth_regions: The same regions in the truth's codes, where those mean other classes.

    Returns:
        {region: {measure: value}} with the names of `MEASURES`; "hd95_mm" is NaN where one of the two is empty.

    Raises:
        DataError: Maps of other types or shapes than these, or a spacing that does not fit.
        SettingError: The two schemes name different regions, or classes are asked for although they differ.
    """
    _check_maps(truth, prediction, spacing_mm)
    schemes = _schemes(regions, truth_regions, class_names)
    box = bounding_box(_any_region(truth, schemes, 0) | _any_region(prediction, schemes, 1))
    truth, prediction = truth[box], prediction[box]
    return {
        name: _measured(np.isin(truth, true), np.isin(prediction, drawn), spacing_mm)
        for name, (true, drawn) in schemes.items()
    }


def _measured(truth: Mask, prediction: Mask, spacing_mm: Sequence[float]) -> dict[str, float]:
    """Measure one region within the smallest box that holds it."""
    box = bounding_box(truth | prediction)
    truth, prediction = truth[box], prediction[box]
    surfaces = surface_distances(truth=truth, prediction=prediction, spacing_mm=spacing_mm)
    lesions = count_lesions(truth=truth, prediction=prediction)
    voxels = overlap(truth=truth, prediction=prediction)
    return {
        "tp": voxels["tp"],
        "fp": voxels["fp"],
        "fn": voxels["fn"],
        "hd95_mm": surfaces.hd95_mm,
        "nsd": surfaces.nsd(),
        "lesion_tp": lesions.tp,
        "lesion_fp": lesions.fp,
        "lesion_fn": lesions.fn,
    }


@dataclass(frozen=True, kw_only=True)
class RegionMetric:
    """A number for one region over patients.

    Attributes:
        name: Key in the table of metrics and in every stored file.
        label: Name in sentences and figures.
        formula: Measures of any shape to values of that shape; NaN where undefined.
        summary: What it tells, in one line.
        source: Where it is defined.
        pooled: Sum the measures over the patients first, so that large tumors weigh more; else average the values.
        bounds: Lowest and highest value.
        higher_is_better: Direction.
    """

    name: str
    label: str
    formula: Callable[[Measures], Values]
    summary: str
    source: str
    pooled: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)
    higher_is_better: bool = True

    def rule(self, measures: Measures, weights: Values) -> Values:
        """(b,) values under weights (b, n) of the patients.

        A mean leaves out patients without a value: print `left_out` beside it. NaN where nobody is left.
        """
        if self.pooled:
            return self.formula({name: weights @ measures[name] for name in COUNTED})
        values = self.formula(measures)
        known = ~np.isnan(values)
        return _over(
            weights @ np.where(known, values, 0.0), weights @ known.astype(float), empty=np.nan
        )

    def left_out(self, measures: Measures) -> int:
        """Count the patients without a value, whom the mean leaves out."""
        return 0 if self.pooled else int(np.isnan(self.formula(measures)).sum())


def _dice(measures: Measures) -> Values:
    return dice(measures["tp"], measures["fp"], measures["fn"])


SEGMENTATION_METRICS: dict[str, RegionMetric] = {
    metric.name: metric
    for metric in (
        RegionMetric(
            name="dice",
            label="Dice",
            formula=_dice,
            summary="overlap of drawing and truth, mean over patients; 1 where both are empty",
            source="methods 6.4",
        ),
        RegionMetric(
            name="dice_pooled",
            label="pooled Dice",
            formula=_dice,
            pooled=True,
            summary="overlap of drawing and truth over the voxels of all patients, so that large tumors count more",
            source="methods 6.4",
        ),
        RegionMetric(
            name="sensitivity",
            label="sensitivity",
            formula=lambda m: sensitivity(tp=m["tp"], fn=m["fn"]),
            summary="share of the true voxels that are drawn, mean over the patients who have any",
            source="methods 6.4",
        ),
        RegionMetric(
            name="ppv",
            label="PPV",
            formula=lambda m: ppv(tp=m["tp"], fp=m["fp"]),
            summary="share of the drawn voxels that are true, mean over the patients in whom any were drawn",
            source="methods 6.4",
        ),
        RegionMetric(
            name="hd95_mm",
            label="Hausdorff-95 (mm)",
            formula=lambda m: m["hd95_mm"],
            bounds=(0.0, float("inf")),
            higher_is_better=False,
            summary="distance within which 95 % of each outline lies from the other, mean over patients",
            source="Menze et al. 2015; patients with only one of the two outlines are left out, not set to 374 mm",
        ),
        RegionMetric(
            name="nsd",
            label=f"surface Dice at {TOLERANCE_MM:g} mm",
            formula=lambda m: m["nsd"],
            summary=f"share of both outlines within {TOLERANCE_MM:g} mm of the other, mean over patients",
            source="Nikolov et al. 2021, counting boundary voxels instead of areas",
        ),
        RegionMetric(
            name="lesion_f1",
            label="lesion F1",
            formula=lambda m: dice(m["lesion_tp"], m["lesion_fp"], m["lesion_fn"]),
            pooled=True,
            summary="lesions found against lesions missed and made up, over all patients; size does not matter",
            source="Kuijf et al. 2019, each true lesion counted once; from 10 voxels on",
        ),
    )
}
FAMILY = Family(
    name="volume_metrics",
    summary="Metrics of a study of volumes, for each region.",
    members=SEGMENTATION_METRICS,
)


def _schemes(
    regions: Regions, truth_regions: Regions | None, class_names: Sequence[str] | None
) -> dict[str, tuple[list[int], list[int]]]:
    """Give name -> (codes in the truth, codes in the prediction) of all that is measured."""
    true = regions if truth_regions is None else truth_regions
    if true.keys() != regions.keys():
        raise SettingError(
            f"Expected the same regions in both schemes, got {sorted(true)} and {sorted(regions)}."
        )
    if class_names is not None and truth_regions is not None:
        raise SettingError(
            "Classes of two schemes cannot be compared. Leave out class_names or truth_regions."
        )
    found = {name: (list(true[name]), list(regions[name])) for name in regions}
    classes = {
        f"class {name}": ([code], [code]) for code, name in enumerate(class_names or ()) if code
    }
    return found | classes


def _any_region(
    codes: Codes, schemes: Mapping[str, tuple[list[int], list[int]]], side: int
) -> Mask:
    return np.isin(codes, sorted({code for pair in schemes.values() for code in pair[side]}))


def _check_maps(truth: Codes, prediction: Codes, spacing_mm: Sequence[float]) -> None:
    for name, codes in (("truth", truth), ("prediction", prediction)):
        if not np.issubdtype(codes.dtype, np.integer):
            raise DataError(
                f"Expected {name} as codes of classes, got {codes.dtype}. Take the argmax of scores."
            )
    if truth.shape != prediction.shape:
        raise DataError(
            f"Expected maps on one grid, got truth {truth.shape} and prediction {prediction.shape}."
        )
    if len(spacing_mm) != truth.ndim or not all(0 < side < np.inf for side in spacing_mm):
        raise DataError(
            f"Expected {truth.ndim} spacings above 0 mm, one for each axis, got {tuple(spacing_mm)}."
        )


def _over(top: Values, bottom: Values, *, empty: float) -> Values:
    """Divide; `empty` where there is nothing to divide by."""
    result = np.full(np.shape(bottom), empty)
    np.divide(top, bottom, out=result, where=bottom > 0)
    return result
