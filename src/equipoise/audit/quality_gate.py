"""The rule of quality: when images are too unlike real ones, or too alike, to be released."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from equipoise.audit.gate import NOT_MEASURED, PASSED, REFUSED, GateDecision
from equipoise.audit.realism import Finding

EXTRACTOR_WORDS = {
    "random": "a random network",
    "spectrum": "the radial power spectrum",
    "classifier": "the classifier's features",
    "imagenet": "MobileNetV2 (ImageNet)",
    "inception": "Inception (ImageNet)",
    "dinov2": "DINOv2",
    "pixels": "pixels at 16 px",
}
SHARES = ("precision", "recall", "coverage")


@dataclass(frozen=True, kw_only=True)
class QualityRule:
    """The thresholds of quality; each holds in every extractor that is used.

    Simulated false alarms and detections: `docs/results/simulations/quality.json`.

    Attributes:
        most_told: AUROC with which a simple classifier may distinguish synthetic from real images.
            Refused if the lower end of its 95 % interval is above, passed if the upper end is
            below; in between it cannot be told.
        least_share: Precision, recall and coverage below this share of those of real images in
            their place are a collapse: noise has no precision, a few repeated images no recall.
        most_repeats: Share of constant or exactly repeated images, beyond that of real ones.
    """

    most_told: float = 0.8
    least_share: float = 0.5
    most_repeats: float = 0.1


DEFAULT_QUALITY_RULE = QualityRule()


def decide_quality(
    name: str, findings: Sequence[Finding], rule: QualityRule = DEFAULT_QUALITY_RULE
) -> GateDecision:
    """Decide whether the synthetic images of a class are good enough.

    Args:
        name: The class.
        findings: See `equipoise.audit.quality.RealReference.compare`.
        rule: The thresholds.

    Example:
        >>> told = Finding(
        ...     measure="two_sample",
        ...     extractor="spectrum",
        ...     n=100,
        ...     value=0.99, low=0.96, high=1.0, floor=0.52, floor_low=0.42, floor_high=0.62,
        ... )
        >>> decide_quality("carcinoma", [told]).status
        'refused'
    """  # fmt: skip
    measured = [finding for finding in findings if not finding.refused]
    against = list(describe_faults(name, measured, rule))
    if against:
        return GateDecision(status=REFUSED, reasons=tuple(against))
    tests = [finding for finding in measured if finding.measure == "two_sample"]
    if not tests:
        reasons = [finding.refused for finding in findings if finding.refused]
        because = reasons[0] if reasons else "nothing was compared."
        reason = f"Quality of the images of {name} was not measured: {because}"
        return GateDecision(status=NOT_MEASURED, reasons=(reason,))
    worst = max(tests, key=lambda test: test.high)
    numbers = f"{auroc(worst)} by {EXTRACTOR_WORDS.get(worst.extractor, worst.extractor)}"
    if worst.high >= rule.most_told:
        reason = (
            f"Whether the images of {name} resemble real ones cannot be told from {worst.n} images "
            f"in each set: distinguished with {numbers}; {rule.most_told:.2f} is not excluded."
        )
        return GateDecision(status=NOT_MEASURED, reasons=(reason,))
    reason = (
        f"A simple classifier distinguishes images of {name} from real ones with {numbers}, the "
        f"highest of {len(tests)} extractors ({worst.n} images in each set), and other real images "
        f"with {real_auroc(worst)}; the limit is {rule.most_told:.2f}."
    )
    return GateDecision(status=PASSED, reasons=(reason,))


def describe_faults(name: str, measured: Sequence[Finding], rule: QualityRule) -> Iterator[str]:
    """Yield what the rule finds against the images of a class, a sentence for each extractor."""
    by_extractor: dict[str, dict[str, Finding]] = {}
    for finding in measured:
        by_extractor.setdefault(finding.extractor, {})[finding.measure] = finding
    for extractor, measures in by_extractor.items():
        repeats, told = measures.get("repeats"), measures.get("two_sample")
        if repeats is not None and repeats.value > repeats.floor + rule.most_repeats:
            yield (
                f"{repeats.value:.0%} of the {repeats.n} images of {name} are constant or repeat "
                f"another one exactly; of real images {repeats.floor:.0%}."
            )
        numbers = list(describe_collapse(measures, rule))
        is_told = told is not None and told.low > rule.most_told
        if told is not None and (is_told or numbers):
            numbers.insert(0, f"{auroc(told)} (other real images {real_auroc(told)})")
        if numbers:
            words = EXTRACTOR_WORDS.get(extractor, extractor)
            yield f"Images of {name} are unlike real ones by {words}: {', '.join(numbers)}."


def describe_collapse(measures: Mapping[str, Finding], rule: QualityRule) -> Iterator[str]:
    """Yield which of precision, recall and coverage is far below that of real images."""
    for measure in SHARES:
        share = measures.get(measure)
        if share is not None and share.value < rule.least_share * share.floor:
            yield f"{measure} {share.value:.2f} (real {share.floor:.2f})"


def auroc(test: Finding) -> str:
    """Return the AUROC of a two-sample test with its interval."""
    return f"AUROC {test.value:.2f} [{test.low:.2f}, {test.high:.2f}]"


def real_auroc(test: Finding) -> str:
    """Return the AUROC of two sets of real images with its interval."""
    return f"{test.floor:.2f} [{test.floor_low:.2f}, {test.floor_high:.2f}]"
