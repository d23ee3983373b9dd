"""The release gate: the rule of privacy, its decision, and the release that needs quality too."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from equipoise.atomic import JsonValue
from equipoise.exceptions import ReleaseError, SettingError
from equipoise.metrics.memorization import Membership

SHORTEST_REASON = 10  # characters of a reason to override
# Statuses of a decision.
PASSED, REFUSED, NOT_TESTED, NOT_MEASURED = "passed", "refused", "not tested", "not measured"
WORST_FIRST = (REFUSED, NOT_TESTED, NOT_MEASURED, PASSED)
FIX_PRIVACY = "Remove the copies, or train the generator on more patients or for fewer steps."
FIX_QUALITY = "Train the generator longer or on more images, or use another one."


@dataclass(frozen=True, kw_only=True)
class GateRule:
    """The thresholds of privacy above which synthetic images are refused.

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
    """What the gate decided about one side of a release: privacy, or quality.

    Attributes:
        status: `PASSED`, `REFUSED`, or why neither: `NOT_TESTED` (privacy), `NOT_MEASURED`
            (quality).
        reasons: The numbers that it rests on, in sentences.
        runs: In how many runs of a method ("in 1 of 6 runs"), whose first is quoted; empty for one.
    """

    status: str
    reasons: tuple[str, ...]
    runs: str = ""

    @property
    def passed(self) -> bool:
        """Whether this side stands against nothing."""
        return self.status == PASSED

    @property
    def refused(self) -> bool:
        """Whether this side forbids a release."""
        return self.status == REFUSED

    @property
    def words(self) -> str:
        """The status, with the number of runs."""
        return f"{self.status} {self.runs}".strip()


@dataclass(frozen=True, kw_only=True)
class Release:
    """A permission, stored with the released images.

    Attributes:
        privacy: Whether the images show or reveal training patients.
        quality: Whether they look like real ones.
        override: The written reason to release them although not both passed; None without one.
    """

    privacy: GateDecision
    quality: GateDecision
    override: str | None

    @property
    def green(self) -> bool:
        """Whether privacy and quality both passed."""
        return self.privacy.passed and self.quality.passed

    def to_json(self) -> dict[str, JsonValue]:
        """Return all fields and `green`, as manifests store them."""
        return {"green": self.green, **asdict(self)}


def apply_rule(
    n_copies: int,
    n: int,
    attacks: Mapping[str, Membership],
    rule: GateRule = DEFAULT_RULE,
    *,
    untested: str = "",
) -> GateDecision:
    """Decide whether synthetic images keep the privacy of the training patients.

    Args:
        n_copies: Near copies among the synthetic images.
        n: Number of synthetic images.
        attacks: Name of the classes -> membership attack on them.
        rule: The thresholds.
        untested: Where or why membership was not tested ("in carcinoma", "because ..."); empty
            where it was tested in all classes.

    Example:
        >>> apply_rule(0, 200, {}, untested="for lack of images").status
        'not tested'
        >>> apply_rule(3, 200, {}).reasons
        ('3 of 200 synthetic images are near copies of real training images.',)
    """
    against = [_describe_copies(n_copies, n)] if n_copies else []
    level = rule.level / (2 * max(1, len(attacks)))
    for name, attack in attacks.items():
        if attack.p_auc < level and attack.auc >= rule.least_auc:
            against.append(
                f"The synthetic images of {name} reveal who was in the training images. "
                f"{_describe_attacks({name: attack})}"
            )
        if attack.p_caught < level and attack.caught >= rule.least_caught:
            against.append(
                f"The synthetic images of {name} single out training patients: "
                f"{100 * attack.caught:.0f} of 100 of them lie nearer to a synthetic image than "
                "99 of 100 other patients do (chance: 1)."
            )
    if against:
        return GateDecision(status=REFUSED, reasons=tuple(against))
    basis = [
        f"No near copy among {n:,} synthetic image{'s' * (n != 1)}; a share of copies below "
        f"{detectable_share(n):.1%} can go unnoticed."
    ]
    if attacks:
        basis.append(_describe_attacks(attacks))
    if untested or not attacks:
        basis.append(f"Membership was not tested {untested}".strip() + ".")
        return GateDecision(status=NOT_TESTED, reasons=tuple(basis))
    return GateDecision(status=PASSED, reasons=tuple(basis))


def join_classes(decisions: Sequence[GateDecision]) -> GateDecision:
    """Join the decisions on classes: the worst status holds, with all reasons for it.

    Args:
        decisions: At least one.

    Example:
        >>> passed = GateDecision(status="passed", reasons=("a",))
        >>> join_classes([passed, GateDecision(status="refused", reasons=("b",))]).reasons
        ('b',)
    """
    reasons: dict[str, None] = {}  # a set that keeps the order
    worst = min((decision.status for decision in decisions), key=WORST_FIRST.index)
    for decision in decisions:
        if decision.status == worst:
            reasons |= dict.fromkeys(decision.reasons)
    return GateDecision(status=worst, reasons=tuple(reasons))


def join_runs(decisions: Sequence[GateDecision]) -> GateDecision:
    """Join the decisions on the runs of a method: the worst status holds; the first such is quoted.

    Args:
        decisions: At least one.

    Example:
        >>> refused = GateDecision(status="refused", reasons=("b",))
        >>> join_runs([GateDecision(status="passed", reasons=("a",)), refused]).words
        'refused in 1 of 2 runs'
    """
    if len(decisions) == 1:
        return decisions[0]
    worst = min((decision.status for decision in decisions), key=WORST_FIRST.index)
    of_status = [decision for decision in decisions if decision.status == worst]
    runs = f"in {len(of_status)} of {len(decisions)} runs"
    return GateDecision(status=worst, reasons=of_status[0].reasons, runs=runs)


def headline(privacy: GateDecision, quality: GateDecision) -> str:
    """Return both decisions in a sentence; what was not tested is named in it.

    Example:
        >>> decision = GateDecision(status="not tested", reasons=())
        >>> headline(decision, GateDecision(status="passed", reasons=()))
        'Not cleared for release: no near copy was found, but membership was not tested; ...'
    """
    if privacy.refused or quality.refused:
        lead = "Do not release"
    elif privacy.passed and quality.passed:
        lead = "May be released"
    else:
        lead = "Not cleared for release"
    of_privacy = f"privacy {privacy.status}"
    if privacy.status == NOT_TESTED:
        of_privacy = "no near copy was found, but membership was not tested"
    of_quality = f"quality {quality.status}"
    if quality.status == NOT_MEASURED:
        of_quality = "quality could not be measured"
    return f"{lead}: {of_privacy}; {of_quality}."


def check_release(
    privacy: GateDecision, quality: GateDecision, override: str | None = None
) -> Release:
    """Permit a release, or raise.

    Args:
        privacy: The decision on privacy.
        quality: The decision on quality.
        override: A written reason to release images that the gate refuses; it is stored with them.
            Neither needed nor stored where both sides passed.

    Returns:
        The permission; `Release.green` is False where it rests on the override, or where one side
        could not be tested.

    Raises:
        ReleaseError: A side refuses and there is no reason; names the findings.
        SettingError: The reason is too short.
    """
    check_reason(override)
    release = Release(privacy=privacy, quality=quality, override=None)
    if release.green:
        return release
    if override is not None:
        return Release(privacy=privacy, quality=quality, override=override.strip())
    sentences = []
    if privacy.refused:
        sentences += [f"Privacy: refused. {' '.join(privacy.reasons)}", FIX_PRIVACY]
    if quality.refused:
        sentences += [f"Quality: refused. {' '.join(quality.reasons)}", FIX_QUALITY]
    if sentences:
        sentences.append("Then audit again, or override with a written reason.")
        raise ReleaseError(f"These synthetic images may not be released. {' '.join(sentences)}")
    return release


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


def _describe_attacks(attacks: Mapping[str, Membership]) -> str:
    numbers = [f"{_cases(attack)} ({name})" for name, attack in attacks.items()]
    return (
        "Of 100 pairs of a training patient and another one, the training patient is the one "
        f"nearer to a synthetic image in {', '.join(numbers)}; 50 is guessing."
    )


def _cases(attack: Membership) -> str:
    low, high = 100 * attack.low, 100 * attack.high
    return f"{100 * attack.auc:.0f} [{low:.0f}, {high:.0f}]"
