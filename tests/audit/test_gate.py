"""The rule refuses for its stated reasons only, and overriding it takes a written reason."""

import numpy as np
import pytest

from equipoise.audit.gate import (
    DEFAULT_RULE,
    NOT_MEASURED,
    NOT_TESTED,
    PASSED,
    REFUSED,
    GateDecision,
    GateRule,
    Release,
    apply_rule,
    check_release,
    detectable_share,
    headline,
    join_classes,
    join_runs,
)
from equipoise.exceptions import ReleaseError, SettingError
from equipoise.metrics.memorization import Membership

COPIES = GateDecision(
    status=REFUSED, reasons=("3 of 200 synthetic images are near copies of real training images.",)
)
GOOD = GateDecision(status=PASSED, reasons=("AUROC 0.52.",))
BAD = GateDecision(status=REFUSED, reasons=("AUROC 0.99.",))
OPEN = GateDecision(status=NOT_TESTED, reasons=("No held-out images.",))
FEW = GateDecision(status=NOT_MEASURED, reasons=("5 images.",))


def attack(
    auc: float = 0.5, p_auc: float = 0.5, caught: float = 0.01, p_caught: float = 0.5
) -> Membership:
    return Membership(
        n_members=100,
        n_others=60,
        auc=auc,
        low=auc - 0.1,
        high=auc + 0.1,
        p_auc=p_auc,
        caught=caught,
        p_caught=p_caught,
    )


def test_without_copies_and_traces_it_passes() -> None:
    decision = apply_rule(0, 200, {"all classes": attack(auc=0.53)})
    assert decision.status == PASSED
    assert "1.5" in decision.reasons[0]  # the share of copies that can go unnoticed
    assert "53 [43, 63] (all classes)" in decision.reasons[1]


def test_membership_that_was_not_tested_does_not_pass() -> None:
    assert apply_rule(0, 200, {}).status == NOT_TESTED
    partly = apply_rule(0, 200, {"all classes": attack()}, untested="in carcinoma")
    assert partly.status == NOT_TESTED
    assert "in carcinoma" in partly.reasons[-1]
    assert apply_rule(1, 200, {}, untested="in carcinoma").status == REFUSED


@pytest.mark.parametrize(
    ("n", "reason"),
    [(1, r"1 of 2,000 .*copy"), (3, r"3 of 2,000 .*copies")],
)
def test_a_single_copy_is_one_too_many(n: int, reason: str) -> None:
    decision = apply_rule(n, 2000, {"all classes": attack()})
    assert not decision.passed
    assert len(decision.reasons) == 1
    with pytest.raises(ReleaseError, match=reason):
        check_release(decision, GOOD)


@pytest.mark.parametrize(
    ("membership", "passed"),
    [
        (attack(auc=0.7, p_auc=1e-4), False),
        (attack(auc=0.7, p_auc=0.02), True),  # not significant
        (attack(auc=0.54, p_auc=1e-9), True),  # significant, but useless to an attacker
        (attack(caught=0.2, p_caught=1e-4), False),
        (attack(caught=0.2, p_caught=0.02), True),
        (attack(caught=0.02, p_caught=1e-9), True),
    ],
)
def test_a_trace_must_be_both_significant_and_large(membership: Membership, passed: bool) -> None:
    assert apply_rule(0, 200, {"carcinoma": membership}).passed == passed
    assert passed or "carcinoma" in apply_rule(0, 200, {"carcinoma": membership}).reasons[0]


def test_more_classes_need_smaller_p_values() -> None:
    trace = attack(auc=0.7, p_auc=DEFAULT_RULE.level / 2 * 0.9)
    assert not apply_rule(0, 200, {"all classes": trace}).passed
    assert apply_rule(0, 200, {"all classes": trace, "normal": attack()}).passed
    assert not apply_rule(
        0, 200, {"all classes": trace, "normal": attack()}, GateRule(level=0.2)
    ).passed


def test_what_passes_is_released_and_needs_no_reason() -> None:
    release = check_release(GOOD, GOOD)
    assert release == Release(privacy=GOOD, quality=GOOD, override=None)
    assert release.green
    assert release.to_json()["green"] is True
    assert check_release(GOOD, GOOD, "The board agreed on 3 May.").override is None


@pytest.mark.parametrize(
    ("privacy", "quality", "named", "unnamed"),
    [(COPIES, GOOD, "3 of 200", "Quality"), (GOOD, BAD, "AUROC 0.99", "Privacy")],
)
def test_either_side_refuses_and_is_overridden_in_writing_only(
    privacy: GateDecision, quality: GateDecision, named: str, unnamed: str
) -> None:
    with pytest.raises(ReleaseError, match=named) as caught:
        check_release(privacy, quality)
    assert unnamed not in str(caught.value)
    release = check_release(privacy, quality, "  The board agreed on 3 May.  ")
    assert not release.green
    assert release.override == "The board agreed on 3 May."
    assert (release.privacy, release.quality) == (privacy, quality)


@pytest.mark.parametrize(("privacy", "quality"), [(OPEN, GOOD), (GOOD, FEW), (OPEN, FEW)])
def test_what_was_not_tested_is_not_refused_and_not_green(
    privacy: GateDecision, quality: GateDecision
) -> None:
    release = check_release(privacy, quality)
    assert release.override is None
    assert not release.green
    assert check_release(privacy, quality, "The board agreed.").override == "The board agreed."


@pytest.mark.parametrize(
    ("privacy", "quality", "words"),
    [
        (GOOD, GOOD, ("May be released", "privacy passed", "quality passed")),
        (COPIES, GOOD, ("Do not release", "privacy refused", "quality passed")),
        (OPEN, BAD, ("Do not release", "membership was not tested", "quality refused")),
        (OPEN, GOOD, ("Not cleared", "membership was not tested", "quality passed")),
        (GOOD, FEW, ("Not cleared", "privacy passed", "quality could not be measured")),
    ],
)
def test_the_headline_names_both_sides_and_what_was_not_tested(
    privacy: GateDecision, quality: GateDecision, words: tuple[str, ...]
) -> None:
    for word in words:
        assert word in headline(privacy, quality)


def test_the_worst_class_and_the_worst_run_hold() -> None:
    assert join_classes([GOOD, FEW, BAD, BAD]) == BAD
    assert join_classes([GOOD, FEW]).status == NOT_MEASURED
    assert join_classes([GOOD, BAD, COPIES]).reasons == (*BAD.reasons, *COPIES.reasons)
    assert join_runs([GOOD]) == GOOD
    assert join_runs([GOOD, OPEN, OPEN]).status == NOT_TESTED
    assert "2 of 3 runs" in join_runs([GOOD, OPEN, OPEN]).words
    assert "1 of 3 runs" in join_runs([OPEN, COPIES, GOOD]).words
    assert join_runs([OPEN, COPIES, GOOD]).reasons == COPIES.reasons


@pytest.mark.parametrize("reason", ["", "   ", "ok", "yes      \n   "])
def test_a_reason_must_not_be_empty_or_short(reason: str) -> None:
    for decision in (COPIES, GOOD):
        with pytest.raises(SettingError, match="10 characters"):
            check_release(decision, GOOD, reason)


def test_the_detectable_share_is_that_of_drawing_at_least_one_copy() -> None:
    for n in (1, 50, 1000):
        assert 1 - (1 - detectable_share(n)) ** n == pytest.approx(0.95)
    assert detectable_share(149) < 0.02 < detectable_share(148)
    assert detectable_share(0) == 1
    assert np.all(np.diff([detectable_share(n) for n in range(1, 100)]) < 0)
