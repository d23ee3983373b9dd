"""AUROCs below chance, and validation far above test, with patients as the unit of sampling."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from equipoise.metrics.patient_areas import (
    AreaSum,
    WeightedArea,
    patient_counts,
    ranked_classes,
    sum_areas,
)
from equipoise.metrics.sampling_variance import auroc_variance
from equipoise.metrics.statistics import t_quantile
from equipoise.results.regime.warning import RegimeWarning, by_options, is_frozen, named
from equipoise.runs.description import StudyDescription
from equipoise.runs.image_run import FinishedCell, ImageRun

CHANCE = 0.5
LEAST_GAP = 0.05  # of AUROC: smaller ones change no conclusion
GAP_LEVEL = 0.99  # one-sided: every method of a study is checked


@dataclass(frozen=True, kw_only=True)
class AreaGap:
    """Validation minus test in AUROC, means over the runs of a method.

    Attributes:
        validation: Mean AUROC on the validation images.
        test: Mean AUROC on the test images.
        gap: Their difference.
        error: Standard error of the gap over patients, at least that of two samples of this size
            with the same AUROC: five positive images that all rank first show no variance.
    """

    validation: float
    test: float
    gap: AreaSum
    error: float

    @property
    def least(self) -> float:
        """The smallest gap that the sampling of patients does not explain."""
        return max(LEAST_GAP, self.error * t_quantile(GAP_LEVEL, self.gap.freedom))

    @property
    def exceeds_chance(self) -> bool:
        """Whether the gap is larger than that."""
        return self.gap.value > self.least


def below_chance(images: ImageRun, *, ignored: Collection[str] = ()) -> Iterator[RegimeWarning]:
    """Yield which methods have an AUROC below 0.5: of the positive class, or the mean of all.

    Args:
        images: The finished cells.
        ignored: Methods that are not looked at.
    """
    backwards: dict[str, AreaSum] = {}
    chance: dict[str, AreaSum] = {}
    for method in images.methods:
        if method in ignored:
            continue
        areas = [area_of_rare(images, method)]
        if len(images.class_names) > 2:  # else it is the same
            areas.append(area_of_all(images, method))
        low = [area for area in areas if area is not None and area.value < CHANCE]
        below = [area for area in low if area.interval[1] < CHANCE]
        if below:
            backwards[method] = below[0]
        elif low:
            chance[method] = low[0]
    rare = images.class_names[images.description.rare_class]
    if backwards:
        yield RegimeWarning(
            kind="ranked backwards",
            methods=tuple(backwards),
            unusable=tuple(backwards),
            numbers={"auroc": _lowest(backwards).value, "high": _lowest(backwards).interval[1]},
            problem=f"test images are ranked backwards by {named(list(backwards))} "
            f"({_in_words(_lowest(backwards))})",
            change=f"check that {rare} means the same among training and test images"
            + ("" if is_frozen(images.description) else ", and that training has settled"),
        )
    if chance:
        yield RegimeWarning(
            kind="no better than chance",
            methods=tuple(chance),
            unusable=tuple(chance),
            numbers={"auroc": _lowest(chance).value, "high": _lowest(chance).interval[1]},
            problem=f"test images are ranked no better than at random by {named(list(chance))} "
            f"({_in_words(_lowest(chance))})",
            change="conclude nothing from their other numbers; "
            + ("use another network" if is_frozen(images.description) else "train longer")
            + " or add images",
        )


def area_of_rare(images: ImageRun, method: str) -> AreaSum | None:
    """Compute the AUROC of the positive class, mean over the runs of a method."""
    return _mean_area(images.cells_of(method), only=images.description.rare_class)


def area_of_all(images: ImageRun, method: str) -> AreaSum | None:
    """Compute the mean AUROC of all classes, mean over the runs of a method."""
    return _mean_area(images.cells_of(method))


def validation_above_test(images: ImageRun) -> Iterator[RegimeWarning]:
    """Yield which methods rank validation images far better than test images."""
    gaps: dict[str, AreaGap] = {}
    for method in images.methods:
        gap = area_gap(images.cells_of(method))
        if gap is not None and gap.exceeds_chance:
            gaps[method] = gap
    if not gaps:
        return
    largest = max(gaps.values(), key=lambda gap: gap.gap.value)
    yield RegimeWarning(
        kind="validation above test",
        methods=tuple(gaps),
        numbers={
            "validation": largest.validation,
            "test": largest.test,
            "explained": largest.least,
        },
        problem=f"AUROC is {largest.validation:.2f} in validation and {largest.test:.2f} in test "
        f"({named(list(gaps))}; sampling explains a gap of {largest.least:.2f})",
        change=_other_test_images(images.description),
    )


def area_gap(cells: Sequence[FinishedCell]) -> AreaGap | None:
    """Compare the AUROC of validation and test images; None where neither can be computed."""
    if not cells:
        return None
    classes = ranked_classes([c.validation for c in cells] + [c.predictions for c in cells])
    if not classes:
        return None
    test = _terms(cells, 1 / len(cells))
    validation = []
    for cell in cells:
        term = WeightedArea(
            predictions=cell.validation, patients=cell.validation_patients, weight=1 / len(cells)
        )
        validation.append(term)
    minus_test = [term.weighted(-term.weight) for term in test]
    of_test, of_validation = sum_areas(test, classes), sum_areas(validation, classes)
    gap = sum_areas([*validation, *minus_test], classes)
    # Shares of 1 / n of perfect areas may add up to a little more than 1.
    level = min(1.0, (of_test.value + of_validation.value) / 2)
    variance = 0.0
    for terms in (test, validation):
        counts = patient_counts(terms, classes)
        for with_class, without in zip(counts[::2], counts[1::2], strict=True):
            variance += auroc_variance(level, with_class, without) / len(classes) ** 2
    return AreaGap(
        validation=of_validation.value,
        test=of_test.value,
        gap=gap,
        error=max(gap.error, math.sqrt(variance)),
    )


def _mean_area(cells: Sequence[FinishedCell], *, only: int | None = None) -> AreaSum | None:
    """Compute the mean AUROC of one class or of all; None where it has no variance."""
    if not cells:
        return None
    classes = ranked_classes([cell.predictions for cell in cells])
    if only is not None:
        classes = [c for c in classes if c == only]
    return sum_areas(_terms(cells, 1 / len(cells)), classes) if classes else None


def _terms(cells: Sequence[FinishedCell], weight: float) -> list[WeightedArea]:
    """Return the AUROCs of the test images of each cell."""
    terms = []
    for cell in cells:
        term = WeightedArea(predictions=cell.predictions, patients=cell.patients, weight=weight)
        terms.append(term)
    return terms


def _lowest(areas: Mapping[str, AreaSum]) -> AreaSum:
    return min(areas.values(), key=lambda area: area.value)


def _in_words(area: AreaSum) -> str:
    low, high = area.interval
    return f"AUROC {area.value:.2f} [{max(low, 0.0):.2f}, {min(high, 1.0):.2f}]"


def _other_test_images(description: StudyDescription) -> str:
    """Say what to check where test images differ from validation images."""
    return (
        "check that the test images come from the same source and that --groups keeps a patient "
        "out of both, or draw new splits (--new-splits)"
        if by_options(description)
        else "check that the test images come from the same source and that no patient is in both "
        "the training and the validation images"
    )
