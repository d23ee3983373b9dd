"""`Contents`: what a report shows, a run and its results; nothing is computed here."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from equipoise.results.records import Results
from equipoise.results.reference import ReferenceResults, read_reference
from equipoise.results.regime.check import check_regime
from equipoise.results.regime.warning import RegimeWarning
from equipoise.results.tables import summarize_run
from equipoise.runs.cell_record import FinishedCellRecord, ImageCellRecord, VolumeCellRecord
from equipoise.runs.description import StudyDescription
from equipoise.runs.run import Run, open_run


@dataclass(frozen=True, kw_only=True, eq=False)
class Contents:
    """A run and its results.

    Attributes:
        run: What is stored; everything is read at most once.
        results: Its tables and verdict.
    """

    run: Run
    results: Results

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.run.folder

    @property
    def description(self) -> StudyDescription:
        """What was requested of the run."""
        return self.run.description

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods, in the requested order."""
        return self.description.method_names

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class."""
        return self.description.class_names

    @property
    def rare_class(self) -> str:
        """Name of the positive class."""
        return self.class_names[self.results.rare_class]

    @cached_property
    def reference(self) -> ReferenceResults | None:
        """The simple reference; None where it was not fitted."""
        return read_reference(self.folder)

    @cached_property
    def regime(self) -> tuple[RegimeWarning, ...]:
        """What is wrong with how the methods were trained and tested, the most serious first."""
        return check_regime(self.run, self.results)

    def finished(self, method: str | None = None) -> list[FinishedCellRecord]:
        """Return the records of finished cells, of one method or of all."""
        return list(self.run.finished) if method is None else self.run.finished_of(method)

    def image_records(self, method: str | None = None) -> list[ImageCellRecord]:
        """Return the same of a study of images, with the numbers of images."""
        return [r for r in self.finished(method) if isinstance(r, ImageCellRecord)]

    def volume_records(self, method: str | None = None) -> list[VolumeCellRecord]:
        """Return the same of a study of volumes, with the notes of the segmenters."""
        return [r for r in self.finished(method) if isinstance(r, VolumeCellRecord)]


def read_contents(run: str | Path | Run | Contents, results: Results | None = None) -> Contents:
    """Return what a report shows of a run, finished or not.

    Args:
        run: The run, its folder, or its contents, which are returned.
        results: Its results where they are known already; computed where None.

    Raises:
        DataError: The folder holds no run.
    """
    if isinstance(run, Contents):
        return run
    run = run if isinstance(run, Run) else open_run(run)
    return Contents(run=run, results=summarize_run(run) if results is None else results)
