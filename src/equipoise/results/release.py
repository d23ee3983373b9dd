"""May the synthetic images of a method be released? Privacy and quality, from a run's evidence."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.atomic import JsonFields, read_json
from equipoise.audit.gate import NOT_MEASURED, NOT_TESTED, GateDecision, join_runs
from equipoise.checksums import check_file

UNTESTED = GateDecision(status=NOT_TESTED, reasons=("These images were not audited.",))
UNMEASURED = GateDecision(
    status=NOT_MEASURED, reasons=("The quality of these images was not measured.",)
)


@dataclass(frozen=True, kw_only=True)
class MethodRelease:
    """The decisions of the gate on the synthetic images of one method; its worst run holds.

    Attributes:
        privacy: "passed", "refused" or "not tested", with its reasons.
        quality: "passed", "refused" or "not measured", with its reasons.
    """

    privacy: GateDecision
    quality: GateDecision

    @property
    def green(self) -> bool:
        """Whether privacy and quality both passed."""
        return self.privacy.passed and self.quality.passed

    @property
    def objection(self) -> str:
        """The main reason against a release, as a clause; empty where both passed.

        A quality that was not measured is always named: images of any quality would look the same.
        """
        objections = []
        if self.privacy.refused:
            objections.append(_objection("privacy", self.privacy))
        elif self.quality.refused:
            objections.append(_objection("quality", self.quality))
        elif not self.privacy.passed:
            objections.append("membership was not tested, though no near copy was found")
        if self.quality.status == NOT_MEASURED:
            objections.append(_objection("quality", self.quality))
        return "; ".join(objections)


def read_releases(run: str | Path) -> dict[str, MethodRelease]:
    """Read the decisions on each method from the evidence of a run.

    Args:
        run: Folder of the run.

    Returns:
        Name of the method -> decisions; empty where no method kept synthetic images, or their
        evidence was not gathered by this version.
    """
    evidence = Path(run) / "evidence"
    privacy: dict[str, list[GateDecision]] = {}
    for audit in _read(evidence / "memorization" / "audits.json", []):
        if "privacy" in audit:
            privacy.setdefault(audit["method"], []).append(decision_of(audit["privacy"]))
    quality: dict[str, GateDecision] = {}
    release = _read(evidence / "quality" / "quality.json", {}).get("release", {})
    for method, decision in release.items():
        quality[method] = decision_of(decision)
    releases = {}
    for method in dict.fromkeys([*privacy, *quality]):
        releases[method] = MethodRelease(
            privacy=join_runs(privacy.get(method, [UNTESTED])),
            quality=quality.get(method, UNMEASURED),
        )
    return releases


def decision_of(row: JsonFields) -> GateDecision:
    """Return the decision that a JSON object holds."""
    return GateDecision(
        status=row["status"], reasons=tuple(row["reasons"]), runs=row.get("runs", "")
    )


def _objection(side: str, decision: GateDecision) -> str:
    if not decision.reasons:
        return f"{side} {decision.words}"
    finding, _, _ = decision.reasons[0].partition(": ")  # its numbers are in the report
    reason = finding.removesuffix(".")
    return f"{side} {decision.words} ({reason[:1].lower()}{reason[1:]})"


def _read(path: Path, otherwise: Any) -> Any:
    check_file(path)
    return read_json(path) if path.is_file() else otherwise
