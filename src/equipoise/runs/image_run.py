"""`ImageRun`: the stored predictions of a study of images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Scores
from equipoise.discovery import pick
from equipoise.exceptions import DataError
from equipoise.metrics.base import Metric, Predictions
from equipoise.metrics.classification import METRICS
from equipoise.metrics.decisions import Decision, decided_metric, fit_decision
from equipoise.runs.cell import Cell
from equipoise.runs.description import StudyDescription

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class FinishedCell:
    """What a finished cell predicted.

    Attributes:
        cell: Method, split and seed.
        predictions: Truth and scores of the n test images, in the order of their ids.
        patients: (n,) int64 patient of each test image.
        ids: (n,) names of the test images.
        validation: Truth and scores of the m validation images, on which thresholds are chosen.
        validation_patients: (m,) int64 patient of each validation image.
        validation_ids: (m,) names of the validation images.
        other: `predictions` with the weights of the other checkpoint policy; None where they are
            not known.
        validation_other: The same of `validation`.
    """

    cell: Cell
    predictions: Predictions
    patients: NDArray[np.int64]
    ids: NDArray[np.str_]
    validation: Predictions
    validation_patients: NDArray[np.int64]
    validation_ids: NDArray[np.str_]
    other: Predictions | None = None
    validation_other: Predictions | None = None

    @classmethod
    def from_arrays(
        cls, cell: Cell, arrays: Arrays, *, rare_class: int, first: Self | None = None
    ) -> Self:
        """Build the predictions of a cell from the arrays of its predictions.npz.

        Args:
            cell: Method, split and seed.
            arrays: By name.
            rare_class: Code of the positive class.
            first: Another cell of the split: what is equal in both is in memory once.
        """
        order = np.argsort(arrays["test_ids"], kind="stable")
        test = Predictions(
            y_true=arrays["test_true"][order],
            y_score=arrays["test_score"][order].astype(np.float64),
            positive=rare_class,
        )
        validation = Predictions(
            y_true=arrays["validation_true"],
            y_score=arrays["validation_score"].astype(np.float64),
            positive=rare_class,
        )
        other = validation_other = None
        if "test_score_other" in arrays:
            other = replace(test, y_score=arrays["test_score_other"][order])
            validation_other = replace(validation, y_score=arrays["validation_score_other"])
        finished = cls(
            cell=cell,
            predictions=test,
            patients=arrays["test_groups"][order],
            ids=arrays["test_ids"][order],
            validation=validation,
            validation_patients=arrays["validation_groups"],
            validation_ids=arrays["validation_ids"],
            other=other,
            validation_other=validation_other,
        )
        return finished if first is None else finished._sharing(first)

    def _sharing(self, first: Self) -> Self:
        """Return the same cell with the arrays of another one where they are equal."""
        return replace(
            self,
            predictions=_with_truth_of(first.predictions, self.predictions),
            patients=_one_of(first.patients, self.patients),
            ids=_one_of(first.ids, self.ids),
            validation=_with_truth_of(first.validation, self.validation),
            validation_patients=_one_of(first.validation_patients, self.validation_patients),
            validation_ids=_one_of(first.validation_ids, self.validation_ids),
            other=self.other and _with_truth_of(first.predictions, self.other),
            validation_other=self.validation_other
            and _with_truth_of(first.validation, self.validation_other),
        )

    def with_scores_in(self, move: Callable[[Scores], Scores]) -> Self:
        """Return the same cell with its scores where `move` puts them."""

        def moved(predictions: Predictions) -> Predictions:
            return replace(predictions, y_score=move(predictions.y_score))

        return replace(
            self,
            predictions=moved(self.predictions),
            validation=moved(self.validation),
            other=self.other and moved(self.other),
            validation_other=self.validation_other and moved(self.validation_other),
        )

    @property
    def n_score_bytes(self) -> int:
        """Bytes of all scores."""
        parts = (self.predictions, self.validation, self.other, self.validation_other)
        return sum(part.y_score.nbytes for part in parts if part is not None)

    def value_of(self, metric: Metric) -> float:
        """Return a metric of the test images, computed once."""
        if metric.name not in self._values:
            # Of a copy: what the metric prepares would fill the memory.
            self._values[metric.name] = float(metric.rule(replace(self.predictions))[0])
        return self._values[metric.name]

    @cached_property
    def _values(self) -> dict[str, float]:
        return {}


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageRun:
    """The finished cells of a study of images, or a part of them.

    Attributes:
        description: What was requested.
        finished: The finished cells, in the order of `Run.cells`.
        adding: The methods that added synthetic images to the training images.
    """

    description: StudyDescription
    finished: tuple[FinishedCell, ...]
    adding: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods, in the requested order."""
        return self.description.method_names

    @property
    def baseline(self) -> str:
        """Name of the method that the others are compared with."""
        return self.description.baseline

    @property
    def primary_metric(self) -> str:
        """Name of the metric on which the verdict rests."""
        return self.description.primary_metric

    @cached_property
    def decisive_metric(self) -> Metric:
        """The metric on which the verdict rests: the primary one at each method's own threshold.

        Raises:
            SettingError: The study's primary metric is unknown.
        """
        return decided_metric(pick(METRICS, self.primary_metric, "metric"))

    @cached_property
    def decisions(self) -> dict[Cell, Decision | None]:
        """The best decision of every finished cell on its validation images.

        None where a class has no validation image, or no threshold changes the decisive metric.
        """
        if self.decisive_metric.name in METRICS:
            return dict.fromkeys(finished.cell for finished in self.finished)
        decisions = {}
        for finished in self.finished:
            decisions[finished.cell] = fit_decision(finished.validation, self.decisive_metric)
        return decisions

    def decided(self, finished: FinishedCell) -> Predictions | None:
        """Return the predictions of a cell from which the decisive metric is computed.

        They are the calls at the cell's own decision, or the scores where no threshold changes the
        metric; None where there is no decision because a class has no validation image.
        """
        if self.decisive_metric.name in METRICS:
            return finished.predictions
        decision = self.decisions[finished.cell]
        return None if decision is None else decision.decided(finished.predictions)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class."""
        return self.description.class_names

    def cells_of(self, method: str) -> list[FinishedCell]:
        """Return the finished cells of a method."""
        return [finished for finished in self.finished if finished.cell.method == method]

    def rows_of(self, method: str) -> NDArray[np.int64]:
        """Return the positions of the finished cells of a method in `finished`."""
        rows = [row for row, finished in enumerate(self.finished) if finished.cell.method == method]
        return np.array(rows, dtype=np.int64)

    def shared_by(self, methods: Sequence[str]) -> Self:
        """Select the cells of runs (split, seed) that all of `methods` have, method by method."""
        cells = {finished.cell: finished for finished in self.finished}
        shared = {(cell.split, cell.seed) for cell in cells}
        for method in methods:
            shared &= {(cell.split, cell.seed) for cell in cells if cell.method == method}
        selected = []
        for method in methods:
            for split, seed in sorted(shared):
                selected.append(cells[Cell(method, split, seed)])
        return replace(self, finished=tuple(selected))

    def on_validation(self) -> Self:
        """Return the same cells with their validation images in the place of their test images."""
        cells = []
        for finished in self.finished:
            on_validation = replace(
                finished,
                predictions=finished.validation,
                patients=finished.validation_patients,
                ids=finished.validation_ids,
            )
            cells.append(on_validation)
        return replace(self, finished=tuple(cells))

    def under_other_policy(self) -> Self:
        """Return the cells whose scores under the other checkpoint policy are known, with these."""
        cells = []
        for finished in self.finished:
            if finished.other is None or finished.validation_other is None:
                continue
            under_other = replace(
                finished,
                predictions=finished.other,
                validation=finished.validation_other,
                other=finished.predictions,
                validation_other=finished.validation,
            )
            cells.append(under_other)
        return replace(self, finished=tuple(cells))

    def check_paired(self) -> None:
        """Check that all cells of a split were tested on the same images.

        Raises:
            DataError: Two cells were not; they cannot be compared in pairs.
        """
        first_of_split: dict[str, FinishedCell] = {}
        for finished in self.finished:
            first = first_of_split.setdefault(finished.cell.split, finished)
            if not _tested_alike(finished, first):
                raise DataError(
                    f"Expected the same test images in every cell of {finished.cell.split}, got "
                    f"different ones in '{finished.cell}' and '{first.cell}'. "
                    "Delete one of the two folders and run again."
                )


def _one_of(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """Return the first array where both are equal, else the second."""
    return first if np.array_equal(first, second) else second


def _with_truth_of(first: Predictions, second: Predictions) -> Predictions:
    y_true = _one_of(first.y_true, second.y_true)
    return second if y_true is second.y_true else replace(second, y_true=y_true)


def _tested_alike(a: FinishedCell, b: FinishedCell) -> bool:
    return (
        np.array_equal(a.ids, b.ids)
        and np.array_equal(a.patients, b.patients)
        and np.array_equal(a.predictions.y_true, b.predictions.y_true)
    )
