"""May the synthetic images be released? Verdict on each method, numbers, closest pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.arrays import value_range
from equipoise.audit.findings import Findings
from equipoise.audit.gate import headline
from equipoise.report.evidence_files import read_arrays, read_evidence
from equipoise.report.near_copies import (
    COLUMNS,
    Couple,
    ImagePairs,
    NoteCell,
    cells,
    couples,
    findings_of,
)
from equipoise.report.run_contents import Contents
from equipoise.results.release import MethodRelease, read_releases

HEADING = "May the synthetic images be released?"
ORDER = 60
MOST_PAIRS = 4  # of each method


@dataclass(frozen=True, kw_only=True)
class CellAudit:
    """The audit of the synthetic images of one cell, as far as the report shows it.

    Attributes:
        method: Method of the cell.
        extractor: Name of the feature extractor.
        likeness: Likeness from which a pair counts as a near copy.
        overall: Findings in all classes together.
        classes: Findings in each class.
        detectable: Smallest share of copies that so many images would reveal.
        notes: What limits the findings.
    """

    method: str
    extractor: str
    likeness: float
    overall: Findings
    classes: Sequence[Findings]
    detectable: float
    notes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class ReleaseVerdict:
    """Whether the images of a method may be released.

    Attributes:
        green: Privacy and quality passed.
        refused: One of them is refused.
        headline: Both in a sentence.
        sides: A paragraph on each.
    """

    green: bool
    refused: bool
    headline: str
    sides: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class MemorizationView:
    """What the template of this section shows."""

    verdicts: Mapping[str, ReleaseVerdict]
    columns: Sequence[str]
    rows: Mapping[str, Mapping[str, Sequence[NoteCell]]]
    notes: Sequence[str]
    extractor: str
    likeness: float
    gallery: Mapping[str, Sequence[Couple]]


def view(contents: Contents) -> MemorizationView | None:
    """Return verdicts, table and gallery; None where no method stored synthetic images."""
    evidence = read_evidence(contents.folder, "memorization", "audits.json")
    if evidence is None:
        return None
    audits = [cell_audit(row) for row in evidence]
    releases = read_releases(contents.folder)
    verdicts: dict[str, ReleaseVerdict] = {}
    rows: dict[str, Mapping[str, Sequence[NoteCell]]] = {}
    notes: set[str] = set()
    by_method: dict[str, list[CellAudit]] = {}
    for audit in audits:
        by_method.setdefault(audit.method, []).append(audit)
        notes.update(audit.notes)
    for method in contents.methods:
        if method in by_method:
            of_method = by_method[method]
            if method in releases:
                verdicts[method] = release_verdict(releases[method])
            rows[method] = class_rows(of_method)
    return MemorizationView(
        verdicts=verdicts,
        columns=list(COLUMNS.values()),
        rows=rows,
        notes=sorted(notes),
        extractor=audits[0].extractor,
        likeness=audits[0].likeness,
        gallery=closest_pairs(contents),
    )


def cell_audit(row: dict[str, Any]) -> CellAudit:
    """Return the audit that a JSON object of `audits.json` holds."""
    return CellAudit(
        method=row["method"],
        extractor=row["extractor"],
        likeness=row["rule"]["likeness"],
        overall=findings_of(row["overall"]),
        classes=[findings_of(scope) for scope in row["classes"]],
        detectable=row["detectable"],
        notes=row["notes"],
    )


def release_verdict(release: MethodRelease) -> ReleaseVerdict:
    """Return what the gate decided about the images of one method, in sentences."""
    sides = []
    for name, decision in (("Privacy", release.privacy), ("Quality", release.quality)):
        sides.append(f"{name} {decision.words}. {' '.join(decision.reasons)}")
    return ReleaseVerdict(
        green=release.green,
        refused=release.privacy.refused or release.quality.refused,
        headline=headline(release.privacy, release.quality),
        sides=sides,
    )


def class_rows(audits: Sequence[CellAudit]) -> dict[str, Sequence[NoteCell]]:
    """Return the cells of each class over the runs of a method, all classes first if several."""
    findings: dict[str, list[Findings]] = {}
    for audit in audits:
        scopes = [audit.overall, *audit.classes] if len(audit.classes) > 1 else audit.classes
        for scope in scopes:
            findings.setdefault(scope.name, []).append(scope)
    return {name: list(cells(scopes).values()) for name, scopes in findings.items()}


def closest_pairs(contents: Contents) -> dict[str, list[Couple]]:
    """Return the most alike pairs of each method as pictures."""
    arrays = read_arrays(contents.folder, "memorization", "pairs.npz")
    if arrays is None:
        return {}
    span = value_range(arrays["real"])
    gallery: dict[str, list[Couple]] = {}
    for method in dict.fromkeys(arrays["method"].tolist()):
        rows = np.flatnonzero(arrays["method"] == method)[:MOST_PAIRS]
        pairs = ImagePairs(
            synthetic=arrays["synthetic"][rows],
            real=arrays["real"][rows],
            likeness=arrays["likeness"][rows],
            copy=arrays["copy"][rows],
            names=[contents.class_names[label] for label in arrays["label"][rows]],
        )
        gallery[method] = couples(pairs, span)
    return gallery
