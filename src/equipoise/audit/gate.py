"""May synthetic images be released? A stated rule, its verdict, and the release that keeps to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from equipoise.exceptions import ReleaseError, SettingError
from equipoise.metrics.memorization import Membership

LEAST_REASON = 10  # characters of a reason to override


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When synthetic images are refused.

    Attributes:
        likeness: Least likeness (`equipoise.data.likeness`) of a near copy. Of 4,374 held-out
            images one reached 0.9; compressed, noisy, shifted, mirrored or paler copies mostly do.
        reach: A near copy also lies, once laid on its original, no farther from it in features than this share of
            held-out images stays within of their nearest training image.
        level: Chance, over all tests together (Bonferroni), that a generator that knows nothing of who was in
            training is refused for telling.
        least_auc: Membership below this is not held against a generator however sure: with enough patients,
            differences that help no attacker are detected too.
        least_caught: The same for the share of members caught at 1 % false alarms.
        fewest: Patients on either side below which membership is not tested.
    """

    likeness: float = 0.9
    reach: float = 0.9
    level: float = 0.02
    least_auc: float = 0.55
    least_caught: float = 0.03
    fewest: int = 10


RULE = Rule()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the rule says: `reasons` against a release, none where it passes."""

    passed: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Release:
    """A permission, kept with what was released.

    Attributes:
        passed: What the gate said.
        reasons: Why it refused.
        override: The written reason to release nevertheless; None where none was needed.
    """

    passed: bool
    reasons: tuple[str, ...]
    override: str | None


class Judgment(Protocol):
    """What the gate needs of an audit."""

    @property
    def passed(self) -> bool: ...  # noqa: D102
    @property
    def reasons(self) -> tuple[str, ...]: ...  # noqa: D102


def judge(n_copies: int, n: int, attacks: Mapping[str, Membership], rule: Rule = RULE) -> Verdict:
    """Apply the rule.

    Args:
        n_copies: Near copies among the synthetic images.
        n: Number of synthetic images.
        attacks: Membership in all classes and in each, under the name of each.
        rule: The thresholds.
    """
    reasons = [_copies(n_copies, n)] if n_copies else []
    for name, attack in attacks.items():
        reasons += _betrayals(name, attack, rule, rule.level / (2 * len(attacks)))
    return Verdict(passed=not reasons, reasons=tuple(reasons))


def check_release(audit: Judgment, override: str | None = None) -> Release:
    """Permit a release, or refuse it.

    Args:
        audit: What was found.
        override: A reason in writing to release images that the gate refuses; it is recorded. Not needed, and not
            recorded, where the gate passes them.

    Raises:
        ReleaseError: The gate refuses and no reason was given; names what it found.
        SettingError: The reason is not one.
    """
    check_reason(override)
    if audit.passed:
        return Release(passed=True, reasons=(), override=None)
    if override is None:
        raise ReleaseError(
            f"These synthetic images may not be released. {' '.join(audit.reasons)} Remove the copies, train the "
            "generator on more patients or for fewer steps and audit again, or override with a written reason."
        )
    return Release(passed=False, reasons=audit.reasons, override=override.strip())


def check_reason(override: str | None) -> None:
    """Refuse what is no reason, before any work.

    Raises:
        SettingError: The reason is too short to be one.
    """
    if override is not None and len(override.strip()) < LEAST_REASON:
        raise SettingError(
            f"Expected a reason of at least {LEAST_REASON} characters for the override, got {override!r}. "
            "Write down who decided and why: it is kept with the images."
        )


def detectable_share(n: int, found: float = 0.95) -> float:
    """Give the smallest share of copies of which at least one is among `n` images with probability `found`."""
    return 1 - (1 - found) ** (1 / n) if n else 1.0


def _copies(n_copies: int, n: int) -> str:
    one = n_copies == 1
    return (
        f"{n_copies:,} of {n:,} synthetic images {'is a near copy' if one else 'are near copies'} of "
        f"{'a real training image' if one else 'real training images'}."
    )


def _betrayals(name: str, attack: Membership, rule: Rule, level: float) -> Iterator[str]:
    if attack.p_auc < level and attack.auc >= rule.least_auc:
        yield (
            f"The synthetic images of {name} betray who was in training: of one training patient and one other, "
            f"nearness to them points to the training patient in {100 * attack.auc:.0f} of 100 cases (chance: 50)."
        )
    if attack.p_caught < level and attack.caught >= rule.least_caught:
        yield (
            f"The synthetic images of {name} single out training patients: {100 * attack.caught:.0f} of 100 of "
            "them lie nearer to a synthetic image than 99 of 100 other patients do (chance: 1)."
        )
