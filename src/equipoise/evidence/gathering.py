"""Gather evidence about a finished run beyond its scores, stored in `evidence/` of the run.

A kind of evidence is a module of `equipoise.evidence.kinds` with a `CARD` and a function
`gather(run, folder)`, which writes JSON, CSV and npz files into a new folder. It is gathered again
when its version or the finished cells have changed.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from equipoise.arrays import fingerprint
from equipoise.atomic import atomic_folder, read_json, write_json
from equipoise.checksums import check_file, check_folder
from equipoise.discovery import modules
from equipoise.evidence import kinds as evidence
from equipoise.exceptions import DamagedFileError

if TYPE_CHECKING:
    from equipoise.evidence.finished_run import FinishedRun

KEY = "key.json"
Progress = Callable[[str], None]  # called with the summary of each kind before it is gathered


@dataclass(frozen=True, kw_only=True)
class EvidenceCard:
    """What a kind of evidence is.

    Attributes:
        summary: One line, shown while it is gathered.
        version: Increased when the files change, so that older ones are gathered again.
        task: The kind of study, "classification" or "segmentation".
        about_synthetic: Whether it is about synthetic images alone: not announced without any.
    """

    summary: str
    version: int = 1
    task: str = "classification"
    about_synthetic: bool = False


def kinds() -> dict[str, ModuleType]:
    """List the kinds of evidence by name.

    Example:
        >>> sorted(kinds())
        ['attention', 'embedding', 'memorization', 'quality', 'reference', 'slices']
    """
    return modules(evidence)


def gather_evidence(run: "FinishedRun", progress: Progress | None = None) -> None:
    """Gather every kind of the study's task that is missing, out of date or damaged.

    Each is written all or nothing. Where no cell has finished there is none, and none is left.
    """
    if not run.records:
        shutil.rmtree(run.folder / "evidence", ignore_errors=True)
        return
    fingerprints = [record.fingerprint for record in run.records.values()]
    for name, kind in kinds().items():
        if run.study.task != kind.CARD.task:
            continue
        folder = run.folder / "evidence" / name
        key = fingerprint(str(kind.CARD.version), fingerprints)
        if is_current(folder, key):
            continue
        is_empty = kind.CARD.about_synthetic and not run.generated
        if progress is not None and not is_empty:
            progress(kind.CARD.summary)
        with atomic_folder(folder) as temporary:
            kind.gather(run, temporary)
            write_json(temporary / KEY, key)


def is_current(folder: Path, key: str) -> bool:
    """Return whether a folder contains undamaged evidence with this key."""
    try:
        check_folder(folder)
        return bool(read_json(folder / KEY) == key)
    except (DamagedFileError, FileNotFoundError):
        return False


def stored(folder: Path, kind: str, file: str) -> Path | None:
    """Find a file of evidence of a run; None if that kind was not gathered.

    Raises:
        DamagedFileError: It was gathered, and the file is damaged or missing.
    """
    path = Path(folder) / "evidence" / kind / file
    check_file(path)
    return path if path.is_file() else None
