"""Find out more about a finished run than its scores: every kind of evidence, kept in `evidence/` of the run.

A kind is a module of `equipoise.evidence.kinds` with a `CARD` and `gather(run, folder)`, which writes JSON,
CSV and npz files into a new folder. It is gathered again when its version or the finished cells have changed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from equipoise.arrays import fingerprint
from equipoise.atomic import atomic_folder, read_json, write_json
from equipoise.discovery import modules
from equipoise.evidence import kinds as evidence
from equipoise.evidence.finished_run import Judged

KEY = "key.json"
Progress = Callable[[str], None]  # is told what begins


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a kind of evidence is.

    Attributes:
        summary: One line, shown while it is gathered.
        version: Raised when the files change, so that older ones are made again.
        task: What kind of study has it, "classification" or "segmentation".
    """

    summary: str
    version: int = 1
    task: str = "classification"


def kinds() -> dict[str, ModuleType]:
    """List the kinds of evidence by name."""
    return modules(evidence)


def gather_evidence(run: Judged, progress: Progress | None = None) -> None:
    """Gather every kind of the study's task that is missing or out of date; each is stored whole or not at all."""
    for name, kind in kinds().items():
        if run.study.task != kind.CARD.task:
            continue
        folder, key = run.store.folder / "evidence" / name, _key(run, kind.CARD)
        if (folder / KEY).is_file() and read_json(folder / KEY) == key:
            continue
        if progress is not None:
            progress(kind.CARD.summary)
        with atomic_folder(folder) as temporary:
            kind.gather(run, temporary)
            write_json(temporary / KEY, key)


def _key(run: Judged, card: Card) -> str:
    return fingerprint(
        str(card.version), [run.store.record(cell)["fingerprint"] for cell in run.cells]
    )


def stored(folder: Path, kind: str, file: str) -> Path | None:
    """Find a file of evidence of a run; None where that kind was not gathered."""
    path = Path(folder) / "evidence" / kind / file
    return path if path.is_file() else None
