"""`Contents`: what a report shows, a run and its results; nothing is computed here."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from equipoise.names import without_names
from equipoise.report.hidden_names import description_without_names, recognizable_ids
from equipoise.results.records import Results
from equipoise.results.reference import ReferenceResults, read_reference
from equipoise.results.regime.check import check_regime
from equipoise.results.regime.warning import RegimeWarning
from equipoise.results.tables import summarize_run
from equipoise.runs.cell_record import (
    FailedCellRecord,
    FinishedCellRecord,
    ImageCellRecord,
    VolumeCellRecord,
)
from equipoise.runs.description import StudyDescription
from equipoise.runs.run import Run, open_run


@dataclass(frozen=True, kw_only=True, eq=False)
class Contents:
    """A run and its results.

    Attributes:
        run: What is stored; everything is read at most once.
        results: Its tables and verdict.
        names: Whether names of files and patients are shown. Where not, `description` and `failed`
            hide them, and nothing else of a report contains any.
    """

    run: Run
    results: Results
    names: bool = False

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.run.folder

    @cached_property
    def description(self) -> StudyDescription:
        """What was requested of the run."""
        if self.names:
            return self.run.description
        return description_without_names(self.run.description, self._ids)

    @cached_property
    def failed(self) -> tuple[FailedCellRecord, ...]:
        """The records of the failed cells; without names they have no traceback."""
        if self.names:
            return self.run.failed
        failed = []
        for record in self.run.failed:
            error = without_names(record.error, self._ids)
            failed.append(replace(record, error=error, traceback=None))
        return tuple(failed)

    @cached_property
    def _ids(self) -> frozenset[str]:
        return recognizable_ids(self.folder, self.run.description.class_names)

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


def read_contents(
    run: str | Path | Run | Contents, results: Results | None = None, *, names: bool = False
) -> Contents:
    """Return what a report shows of a run, finished or not.

    Args:
        run: The run, its folder, or its contents, which are returned.
        results: Its results where they are known already; computed where None.
        names: See `Contents`; those of given contents stay.

    Raises:
        DataError: The folder holds no run.
    """
    if isinstance(run, Contents):
        return run
    run = run if isinstance(run, Run) else open_run(run)
    results = summarize_run(run) if results is None else results
    return Contents(run=run, results=results, names=names)
