"""The page of an audit: the verdict, the numbers of each class, the closest pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import equipoise
from equipoise.arrays import value_range
from equipoise.atomic import JsonObject, atomic_file
from equipoise.audit.gate import Release
from equipoise.audit.quality import ClassQuality, QualityAudit
from equipoise.audit.quality_gate import DEFAULT_QUALITY_RULE, EXTRACTOR_WORDS
from equipoise.audit.realism import Finding
from equipoise.audit.report import Audit
from equipoise.image_rows import ImageSource
from equipoise.report.formatting import decimal
from equipoise.report.html import environment
from equipoise.report.near_copies import COLUMNS, ImagePairs, cells, couples

MOST_PAIRS = 24  # each pair is a picture in the page
MeasureCell = tuple[str, Sequence[str]]  # a value and small notes below it
MEASURES = {
    "two_sample": "Told from real (AUROC)",
    "precision": "Precision",
    "recall": "Recall",
    "coverage": "Coverage",
    "density": "Density",
    "kid": "KID",
}
INTERVALS = ("two_sample", "kid")


@dataclass(frozen=True, kw_only=True)
class AuditResult:
    """All that `audit.json` holds.

    Attributes:
        audit: What was found about privacy.
        quality: What was found about quality.
        files: File names of the synthetic images, in their order.
        basis: Which images were compared, in a sentence.
        release: The permission, green or not; None where the audit refuses the images.
        notes: Limitations.
        sentences: The verdict in words.
    """

    audit: Audit
    quality: QualityAudit
    files: Sequence[str]
    basis: str
    release: Release | None
    notes: Sequence[str]
    sentences: Sequence[str]

    @property
    def released(self) -> bool:
        """Whether the images may be released: both sides passed, or a reason overrides that."""
        release = self.release
        return release is not None and (release.green or release.override is not None)

    def to_json(self) -> JsonObject:
        """Return the content of `audit.json`."""
        return {
            "audit": self.audit.to_json(),
            "quality": self.quality.to_json(),
            "decisions": {
                "privacy": asdict(self.audit.privacy),
                "quality": asdict(self.quality.decision),
            },
            "files": list(self.files),
            "basis": self.basis,
            "released": self.released,
            "release": None if self.release is None else self.release.to_json(),
            "notes": list(self.notes),
            "sentences": list(self.sentences),
        }


def write_audit_page(
    path: Path,
    result: AuditResult,
    synthetic: ImageSource,
    real: ImageSource,
    class_names: Sequence[str],
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
            quality=quality_rows(result.quality.classes),
            quality_columns=list(MEASURES.values()),
            rule=DEFAULT_QUALITY_RULE,
            couples=couples(pairs, value_range(real)),
            version=equipoise.__version__,
        )
    )
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def closest_pairs(
    result: AuditResult, synthetic: ImageSource, real: ImageSource, class_names: Sequence[str]
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


def quality_rows(
    classes: Sequence[ClassQuality],
) -> dict[str, list[tuple[str, list[MeasureCell]]]]:
    """Return a row for each extractor, by class: its name, then a cell for each measure."""
    rows: dict[str, list[tuple[str, list[MeasureCell]]]] = {}
    for quality in classes:
        by_extractor: dict[str, dict[str, Finding]] = {}
        for finding in quality.findings:
            if finding.extractor:
                by_extractor.setdefault(finding.extractor, {})[finding.measure] = finding
        of_class = []
        for extractor, findings in by_extractor.items():
            name = EXTRACTOR_WORDS.get(extractor, extractor)
            of_class.append((name, extractor_cells(findings)))
        rows[f"{quality.name}, {quality.n:,} synthetic images"] = of_class
    return rows


def extractor_cells(findings: Mapping[str, Finding]) -> list[MeasureCell]:
    """Return a cell for each measure: its value; interval and value of real images below."""
    row: list[MeasureCell] = []
    for measure in MEASURES:
        finding = findings[measure]
        if finding.refused:
            row.append((decimal(None), ()))
            continue
        digits = 3 if measure == "kid" else 2
        notes = [f"real {decimal(finding.floor, digits)}"]
        if measure in INTERVALS:
            low, high = decimal(finding.low, digits), decimal(finding.high, digits)
            notes.insert(0, f"{low} to {high}")
        row.append((decimal(finding.value, digits), notes))
    return row
