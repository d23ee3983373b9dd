"""`VolumeRun`: what was measured on the test cases of a study of volumes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from equipoise.runs.case_measures import CaseMeasures, join_cases
from equipoise.runs.cell import Cell
from equipoise.runs.description import StudyDescription, VolumeDatasetDescription


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentedCell:
    """What was measured on the test cases of a finished cell.

    Attributes:
        cell: Method, split and seed.
        measures: Agreement of its label maps with the reference, case by case.
    """

    cell: Cell
    measures: CaseMeasures


@dataclass(frozen=True, kw_only=True, eq=False)
class VolumeRun:
    """The finished cells of a study of volumes.

    Attributes:
        description: What was requested.
        finished: The finished cells, in the order of `Run.cells`.
    """

    description: StudyDescription
    finished: tuple[SegmentedCell, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods, in the requested order."""
        return self.description.method_names

    @property
    def dataset(self) -> VolumeDatasetDescription:
        """Modalities, classes and regions of the volumes."""
        return self.description.volumes

    def cells_of(self, method: str) -> list[SegmentedCell]:
        """Return the finished cells of a method."""
        return [finished for finished in self.finished if finished.cell.method == method]

    def seeds(self, method: str) -> Mapping[int, CaseMeasures]:
        """Return, for each seed of a method, the test cases of its finished folds together."""
        return self._measures_by_seed.get(method, {})

    @cached_property
    def _measures_by_seed(self) -> dict[str, dict[int, CaseMeasures]]:
        joined: dict[str, dict[int, CaseMeasures]] = {}
        fold_of = {split.name: i for i, split in enumerate(self.description.splits)}
        for method in self.methods:
            cells = self.cells_of(method)
            joined[method] = {}
            for seed in sorted({finished.cell.seed for finished in cells}):
                of_seed = [finished for finished in cells if finished.cell.seed == seed]
                joined[method][seed] = join_cases(
                    [finished.measures for finished in of_seed],
                    [fold_of[finished.cell.split] for finished in of_seed],
                )
        return joined
