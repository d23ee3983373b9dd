"""Segmentation metrics: measures of a patient, and the table `SEGMENTATION_METRICS` of metrics."""

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

# What can be summed over patients.
COUNTED = ("tp", "fp", "fn", "lesion_tp", "lesion_fp", "lesion_fn")
MEASURES = (*COUNTED, "hd95_mm", "nsd")


def dice(
    tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, *, empty: Literal["one", "nan"] = "one"
) -> Values:
    """Compute 2 tp / (2 tp + fp + fn), twice the overlap over the sum of both sizes; any shape.

    Args:
        tp: Voxels in both.
        fp: Voxels in the prediction alone.
        fn: Voxels in the truth alone.
        empty: Value if both are empty: "one", since nothing was there and nothing was predicted, or
            "nan" to leave the patient out.

    Returns:
        0..1, of the shape of the arguments.

    Source: Dice (1945). Small and Ventura print the union in place of the overlap, which runs from
    1 (perfect) to 2 (disjoint).

    Example:
        >>> float(dice(2, 2, 2)), float(dice(0, 0, 0))
        (0.5, 1.0)
    """
    hits = np.asarray(tp, dtype=float)
    errors = np.add(fp, fn, dtype=float)
    return _over(2 * hits, 2 * hits + errors, empty=1.0 if empty == "one" else np.nan)


def sensitivity(*, tp: ArrayLike, fn: ArrayLike) -> Values:
    """Compute tp / (tp + fn), the share of the truth that is predicted; NaN if the truth is empty.

    Source: Menze et al. (2015), section III-B.

    Example:
        >>> float(sensitivity(tp=3, fn=1))
        0.75
    """
    return _over(np.asarray(tp, dtype=float), np.add(tp, fn, dtype=float), empty=np.nan)


def ppv(*, tp: ArrayLike, fp: ArrayLike) -> Values:
    """Compute tp / (tp + fp), the share of the prediction that is true; NaN if it is empty.

    Source: precision of van Rijsbergen (1979), of voxels.

    Example:
        >>> float(ppv(tp=3, fp=1))
        0.75
    """
    return _over(np.asarray(tp, dtype=float), np.add(tp, fp, dtype=float), empty=np.nan)


class Overlap(TypedDict):
    """Voxels in both (tp), in the prediction alone (fp), in the truth alone (fn).

    `dice(**overlap(...))` computes their Dice.
    """

    tp: int
    fp: int
    fn: int


def overlap(*, truth: Mask, prediction: Mask) -> Overlap:
    """Count the voxels of two masks of one shape.

    Example:
        >>> import numpy as np
        >>> truth, prediction = np.array([True, True, False]), np.array([False, True, False])
        >>> overlap(truth=truth, prediction=prediction)
        {'tp': 1, 'fp': 0, 'fn': 1}
    """
    tp = int(np.count_nonzero(truth & prediction))
    n_predicted = int(np.count_nonzero(prediction))
    n_true = int(np.count_nonzero(truth))
    return {"tp": tp, "fp": n_predicted - tp, "fn": n_true - tp}


def measure_case(
    *,
    truth: Codes,
    prediction: Codes,
    regions: Regions,
    spacing_mm: Sequence[float],
    class_names: Sequence[str] | None = None,
    truth_regions: Regions | None = None,
) -> dict[str, dict[str, float]]:
    """Measure one patient.

    All arguments are keywords: swapped maps would silently swap sensitivity and PPV.

    Args:
        truth: (z, y, x) codes of classes.
        prediction: (z, y, x) codes of the classes with the largest score. A region is the union of
            its classes in this map, never a sum over classes.
        regions: Name -> codes of its classes in the prediction, and in the truth if
            `truth_regions` is None.
        spacing_mm: Distance of neighboring voxels along z, y and x.
        class_names: (k,) names; each but the first, healthy tissue, is measured too, as
            "class <name>".
        truth_regions: The same regions in the truth's codes, if those mean other classes.

    Returns:
        {region: {measure: value}} with the names of `MEASURES`; "hd95_mm" is NaN if one of the two
        masks is empty.

    Raises:
        DataError: Maps of other types or shapes than these, or a spacing that does not fit.
        SettingError: The two schemes name different regions, or `class_names` is passed although
            they differ.

    Example:
        >>> import numpy as np
        >>> truth = np.zeros((1, 4, 4), dtype=int)
        >>> truth[0, 1:3, 1:3] = 1
        >>> measures = measure_case(
        ...     truth=truth, prediction=np.roll(truth, 1, axis=2), regions={"whole": (1,)},
        ...     spacing_mm=(1.0, 1.0, 1.0),
        ... )
        >>> measures["whole"]["tp"], measures["whole"]["fp"], measures["whole"]["hd95_mm"]
        (2, 2, 1.0)
    """
    _check_maps(truth, prediction, spacing_mm)
    schemes = _schemes(regions, truth_regions, class_names)
    true_codes: set[int] = set()
    predicted_codes: set[int] = set()
    for in_truth, in_prediction in schemes.values():
        true_codes.update(in_truth)
        predicted_codes.update(in_prediction)
    any_region = np.isin(truth, sorted(true_codes)) | np.isin(prediction, sorted(predicted_codes))
    box = bounding_box(any_region)
    truth, prediction = truth[box], prediction[box]
    measures = {}
    for name, (in_truth, in_prediction) in schemes.items():
        true_mask, predicted_mask = np.isin(truth, in_truth), np.isin(prediction, in_prediction)
        measures[name] = _measure_region(true_mask, predicted_mask, spacing_mm)
    return measures


def _measure_region(truth: Mask, prediction: Mask, spacing_mm: Sequence[float]) -> dict[str, float]:
    """Measure one region within the smallest box around it."""
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
        summary: What it measures, in one line.
        source: Where it is defined.
        pooled: Sum the measures over the patients first, so that large tumors weigh more; else
            average the values.
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
        """Compute (b,) values under weights (b, n) of the patients.

        A mean leaves out patients without a value: report `left_out` with it. NaN if no patient
        is left.

        Example:
            >>> import numpy as np
            >>> measures = {"tp": np.array([1, 0]), "fn": np.array([1, 0])}
            >>> metric = SEGMENTATION_METRICS["sensitivity"]
            >>> metric.rule(measures, np.ones((1, 2))).tolist(), metric.left_out(measures)
            ([0.5], 1)
        """
        if self.pooled:
            return self.formula({name: weights @ measures[name] for name in COUNTED})
        values = self.formula(measures)
        defined = ~np.isnan(values)
        total = weights @ np.where(defined, values, 0.0)
        return _over(total, weights @ defined.astype(float), empty=np.nan)

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
            summary="overlap of prediction and truth, mean over patients; 1 if both are empty",
            source="Dice (1945); Menze et al. (2015)",
        ),
        RegionMetric(
            name="dice_pooled",
            label="pooled Dice",
            formula=_dice,
            pooled=True,
            summary="overlap over the voxels of all patients: large tumors count more",
            source="Dice (1945), of counts summed over patients",
        ),
        RegionMetric(
            name="sensitivity",
            label="sensitivity",
            formula=lambda m: sensitivity(tp=m["tp"], fn=m["fn"]),
            summary="share of the true voxels that are predicted, mean over patients with tumor",
            source="Menze et al. (2015): tp / (tp + fn)",
        ),
        RegionMetric(
            name="ppv",
            label="PPV",
            formula=lambda m: ppv(tp=m["tp"], fp=m["fp"]),
            summary="share of the predicted voxels that are true, mean over patients with any",
            source="tp / (tp + fp)",
        ),
        RegionMetric(
            name="hd95_mm",
            label="Hausdorff-95 (mm)",
            formula=lambda m: m["hd95_mm"],
            bounds=(0.0, float("inf")),
            higher_is_better=False,
            summary="distance that covers 95 % of each surface from the other, mean over patients",
            source="Menze et al. (2015); left out, not 374 mm, if only one mask is empty",
        ),
        RegionMetric(
            name="nsd",
            label=f"surface Dice at {TOLERANCE_MM:g} mm (by voxels)",
            formula=lambda m: m["nsd"],
            summary=f"share of both surfaces' voxels, not area, within {TOLERANCE_MM:g} mm of the "
            "other, mean",
            source="Nikolov et al. (2021), who weight by area and get higher numbers; as in MONAI",
        ),
        RegionMetric(
            name="lesion_f1",
            label="lesion F1",
            formula=lambda m: dice(m["lesion_tp"], m["lesion_fp"], m["lesion_fn"]),
            pooled=True,
            summary="F1 of lesions over all patients; every size counts once",
            source="Kuijf et al. (2019), each true lesion counted once; from 10 voxels",
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
    """Map the name of all that is measured to (codes in the truth, codes in the prediction)."""
    true_regions = regions if truth_regions is None else truth_regions
    if true_regions.keys() != regions.keys():
        raise SettingError(
            f"Expected the same regions in both schemes, "
            f"got {sorted(true_regions)} and {sorted(regions)}."
        )
    if class_names is not None and truth_regions is not None:
        raise SettingError(
            "Classes of two schemes cannot be compared. Omit class_names or truth_regions."
        )
    schemes = {name: (list(true_regions[name]), list(regions[name])) for name in regions}
    for code, name in enumerate(class_names or ()):
        if code:
            schemes[f"class {name}"] = ([code], [code])
    return schemes


def _check_maps(truth: Codes, prediction: Codes, spacing_mm: Sequence[float]) -> None:
    for name, codes in (("truth", truth), ("prediction", prediction)):
        if not np.issubdtype(codes.dtype, np.integer):
            raise DataError(
                f"Expected {name} as integer codes of classes, got {codes.dtype}. "
                "Compute the argmax of scores first."
            )
    if truth.shape != prediction.shape:
        raise DataError(
            f"Expected maps on one grid, got truth {truth.shape} and prediction {prediction.shape}."
        )
    if len(spacing_mm) != truth.ndim or not all(0 < side < np.inf for side in spacing_mm):
        raise DataError(
            f"Expected {truth.ndim} spacings above 0 mm, one for each axis, "
            f"got {tuple(spacing_mm)}."
        )


def _over(top: Values, bottom: Values, *, empty: float) -> Values:
    """Divide; `empty` where the denominator is 0."""
    result = np.full(np.shape(bottom), empty)
    np.divide(top, bottom, out=result, where=bottom > 0)
    return result
