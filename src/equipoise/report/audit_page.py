"""The page of an audit: the verdict, the numbers of each class, the closest pairs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import equipoise
from equipoise.arrays import Images, value_range
from equipoise.atomic import JsonObject, atomic_file
from equipoise.audit.gate import Release
from equipoise.audit.quality import ClassQuality
from equipoise.audit.report import Audit
from equipoise.report.formatting import decimal, interval
from equipoise.report.html import environment
from equipoise.report.near_copies import COLUMNS, ImagePairs, NoteCell, cells, couples

MOST_PAIRS = 24  # each pair is a picture in the page
NO_NUMBER: NoteCell = (decimal(None), "")
SHARES = ("precision", "recall", "density", "coverage")


@dataclass(frozen=True, kw_only=True)
class AuditResult:
    """All that `audit.json` holds.

    Attributes:
        audit: What was found.
        quality: Quality of each class.
        files: File names of the synthetic images, in their order.
        basis: Which images were compared, in a sentence.
        release: The permission; None where the images must not be released.
        sentences: The verdict in words.
    """

    audit: Audit
    quality: Sequence[ClassQuality]
    files: Sequence[str]
    basis: str
    release: Release | None
    sentences: Sequence[str]

    @property
    def released(self) -> bool:
        """Whether the images may be released."""
        return self.release is not None

    def to_json(self) -> JsonObject:
        """Return the content of `audit.json`."""
        return {
            "audit": self.audit.to_json(),
            "quality": [asdict(row) for row in self.quality],
            "files": list(self.files),
            "basis": self.basis,
            "released": self.released,
            "release": None if self.release is None else asdict(self.release),
            "sentences": list(self.sentences),
        }


def write_audit_page(
    path: Path, result: AuditResult, synthetic: Images, real: Images, class_names: Sequence[str]
) -> None:
    """Write one HTML file that needs no other.

    Args:
        path: File to write.
        result: What the audit found.
        synthetic: (n, c, h, w) synthetic images.
        real: (m, c, h, w) real images, in the order of the audit's training images.
        class_names: Names of the classes.
    """
    audit = result.audit
    scopes = [audit.overall, *audit.classes] if len(audit.classes) > 1 else list(audit.classes)
    pairs = closest_pairs(result, synthetic, real, class_names)
    page = (
        environment()
        .get_template("audit.html")
        .render(
            result=result,
            audit=audit,
            columns=list(COLUMNS.values()),
            rows={findings.name: list(cells([findings]).values()) for findings in scopes},
            quality=[(row.name, quality_cells(row)) for row in result.quality],
            couples=couples(pairs, value_range(real)),
            version=equipoise.__version__,
        )
    )
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def closest_pairs(
    result: AuditResult, synthetic: Images, real: Images, class_names: Sequence[str]
) -> ImagePairs:
    """Return the most alike pairs with their images, at most `MOST_PAIRS`."""
    pairs = result.audit.pairs[:MOST_PAIRS]
    n = len(pairs)
    synthetic_rows = np.zeros(n, dtype=np.int64)
    real_rows = np.zeros(n, dtype=np.int64)
    likeness = np.zeros(n)
    copy = np.zeros(n, dtype=bool)
    names = []
    for i, pair in enumerate(pairs):
        synthetic_rows[i], real_rows[i] = pair.synthetic, pair.train
        likeness[i], copy[i] = pair.likeness, pair.copy
        names.append(f"{class_names[pair.label]}, {result.files[pair.synthetic]}")
    return ImagePairs(
        synthetic=synthetic[synthetic_rows],
        real=real[real_rows],
        likeness=likeness,
        copy=copy,
        names=names,
    )


def quality_cells(row: ClassQuality) -> list[NoteCell]:
    """Return the cells of a class: images, kernel distance, that of real images, four shares."""
    table_row: list[NoteCell] = [(f"{row.n:,}", "")]
    for distance in (row.kid, row.floor):
        if distance is None:
            table_row.append(NO_NUMBER)
        else:
            table_row.append((decimal(distance.value), interval(distance.low, distance.high)))
    for name in SHARES:
        value = None if row.prdc is None else getattr(row.prdc, name)
        table_row.append((decimal(value, 2), ""))
    return table_row
