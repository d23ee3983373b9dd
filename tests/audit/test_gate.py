"""The rule refuses for its stated reasons only, and overriding it takes a written reason."""

import numpy as np
import pytest

from equipoise.audit.gate import (
    DEFAULT_RULE,
    GateDecision,
    GateRule,
    apply_rule,
    check_release,
    detectable_share,
)
from equipoise.exceptions import ReleaseError, SettingError
from equipoise.metrics.memorization import Membership

REFUSED = GateDecision(
    passed=False, reasons=("3 of 200 synthetic images are near copies of real training images.",)
)
PASSED = GateDecision(passed=True, reasons=())


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
    assert apply_rule(0, 200, {"all classes": attack()}) == PASSED
    assert apply_rule(0, 200, {}) == PASSED


@pytest.mark.parametrize(
    ("n", "reason"),
    [(1, r"1 of 2,000 .*copy"), (3, r"3 of 2,000 .*copies")],
)
def test_a_single_copy_is_one_too_many(n: int, reason: str) -> None:
    decision = apply_rule(n, 2000, {"all classes": attack()})
    assert not decision.passed
    assert len(decision.reasons) == 1
    with pytest.raises(ReleaseError, match=reason):
        check_release(decision)


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
    release = check_release(PASSED)
    assert (release.passed, release.reasons, release.override) == (True, (), None)
    assert check_release(PASSED, "The board agreed on 3 May.").override is None


def test_a_refusal_is_overridden_in_writing_only() -> None:
    with pytest.raises(ReleaseError, match=r"3 of 200 "):
        check_release(REFUSED)
    release = check_release(REFUSED, "  The board agreed on 3 May.  ")
    assert (release.passed, release.override) == (False, "The board agreed on 3 May.")
    assert release.reasons == REFUSED.reasons


@pytest.mark.parametrize("reason", ["", "   ", "ok", "yes      \n   "])
def test_a_reason_must_not_be_empty_or_short(reason: str) -> None:
    for decision in (REFUSED, PASSED):
        with pytest.raises(SettingError, match="10 characters"):
            check_release(decision, reason)


def test_the_detectable_share_is_that_of_drawing_at_least_one_copy() -> None:
    for n in (1, 50, 1000):
        assert 1 - (1 - detectable_share(n)) ** n == pytest.approx(0.95)
    assert detectable_share(149) < 0.02 < detectable_share(148)
    assert detectable_share(0) == 1
    assert np.all(np.diff([detectable_share(n) for n in range(1, 100)]) < 0)
