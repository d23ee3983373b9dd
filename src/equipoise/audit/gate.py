"""The release gate: a stated rule, its decision, and the release that obeys it."""

from collections.abc import Mapping
from dataclasses import dataclass

from equipoise.exceptions import ReleaseError, SettingError
from equipoise.metrics.memorization import Membership

SHORTEST_REASON = 10  # characters of a reason to override


@dataclass(frozen=True, kw_only=True)
class GateRule:
    """The thresholds above which synthetic images are refused.

    Attributes:
        likeness: Smallest likeness (`equipoise.data.likeness`) of a near copy. Of 4,374 held-out
            images one reached 0.9; most compressed, noisy, shifted, mirrored or paler copies do.
        reach: Quantile of the distances from held-out images to their nearest training images. A
            near copy, once aligned with its original, also lies within that distance in features.
        level: Probability, over all tests together (Bonferroni), of refusing a generator that has
            memorized nothing because of the membership tests.
        least_auc: A membership AUC below this never counts, however significant: with enough
            patients, differences that help no attacker are detected too.
        least_caught: The same for the share of members caught at 1 % false alarms.
        fewest: Patients on either side below which membership is not tested.
    """

    likeness: float = 0.9
    reach: float = 0.9
    level: float = 0.02
    least_auc: float = 0.55
    least_caught: float = 0.03
    fewest: int = 10


DEFAULT_RULE = GateRule()


@dataclass(frozen=True, kw_only=True)
class GateDecision:
    """The decision of the gate, with all `reasons` against a release; none where it passes."""

    passed: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Release:
    """A permission, stored with the released images.

    Attributes:
        passed: Whether the gate passed them.
        reasons: Why it refused them.
        override: The written reason to release them nevertheless; None where none was needed.
    """

    passed: bool
    reasons: tuple[str, ...]
    override: str | None


def apply_rule(
    n_copies: int, n: int, attacks: Mapping[str, Membership], rule: GateRule = DEFAULT_RULE
) -> GateDecision:
    """Decide whether synthetic images may be released.

    Args:
        n_copies: Near copies among the synthetic images.
        n: Number of synthetic images.
        attacks: Name of the classes -> membership attack on them.
        rule: The thresholds.

    Example:
        >>> apply_rule(0, 200, {}).passed
        True
        >>> apply_rule(3, 200, {}).reasons
        ('3 of 200 synthetic images are near copies of real training images.',)
    """
    reasons = [_describe_copies(n_copies, n)] if n_copies else []
    level = rule.level / (2 * max(1, len(attacks)))
    for name, attack in attacks.items():
        if attack.p_auc < level and attack.auc >= rule.least_auc:
            reasons.append(
                f"The synthetic images of {name} reveal who was in the training images: of one "
                "training patient and one other, the nearer one is the training patient in "
                f"{100 * attack.auc:.0f} of 100 cases (chance: 50)."
            )
        if attack.p_caught < level and attack.caught >= rule.least_caught:
            reasons.append(
                f"The synthetic images of {name} single out training patients: "
                f"{100 * attack.caught:.0f} of 100 of them lie nearer to a synthetic image than "
                "99 of 100 other patients do (chance: 1)."
            )
    return GateDecision(passed=not reasons, reasons=tuple(reasons))


def check_release(decision: GateDecision, override: str | None = None) -> Release:
    """Permit a release, or raise.

    Args:
        decision: The decision of the gate.
        override: A written reason to release images that the gate refuses; it is stored with them.
            Neither needed nor stored where the gate passes them.

    Raises:
        ReleaseError: The gate refuses and there is no reason; names the findings.
        SettingError: The reason is too short.
    """
    check_reason(override)
    if decision.passed:
        return Release(passed=True, reasons=(), override=None)
    if override is None:
        raise ReleaseError(
            f"These synthetic images may not be released. {' '.join(decision.reasons)} Remove the "
            "copies, train the generator on more patients or for fewer steps and audit again, or "
            "override with a written reason."
        )
    return Release(passed=False, reasons=decision.reasons, override=override.strip())


def check_reason(override: str | None) -> None:
    """Raise unless an override has a reason, before any work is done.

    Raises:
        SettingError: The reason is too short.
    """
    if override is not None and len(override.strip()) < SHORTEST_REASON:
        raise SettingError(
            f"Expected a reason of at least {SHORTEST_REASON} characters for the override, got "
            f"{override!r}. Write down who decided and why: it is stored with the images."
        )


def detectable_share(n: int, power: float = 0.95) -> float:
    """Return the smallest share of copies of which `n` images contain one with probability `power`.

    Example:
        >>> round(detectable_share(149), 4)
        0.0199
    """
    return 1 - (1 - power) ** (1 / n) if n else 1.0


def _describe_copies(n_copies: int, n: int) -> str:
    if n_copies == 1:
        return f"1 of {n:,} synthetic images is a near copy of a real training image."
    return f"{n_copies:,} of {n:,} synthetic images are near copies of real training images."
