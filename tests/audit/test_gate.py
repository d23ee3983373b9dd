"""The rule refuses for its reasons only, and a refusal is overridden in writing or not at all."""

import numpy as np
import pytest

from equipoise.audit.gate import RULE, Rule, Verdict, check_release, detectable_share, judge
from equipoise.exceptions import ReleaseError, SettingError
from equipoise.metrics.memorization import Membership

REFUSED = Verdict(
    passed=False, reasons=("3 of 200 synthetic images are near copies of real training images.",)
)
PASSED = Verdict(passed=True, reasons=())


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


def test_nothing_found_passes() -> None:
    assert judge(0, 200, {"all classes": attack()}) == PASSED
    assert judge(0, 200, {}) == PASSED


@pytest.mark.parametrize(
    ("n", "sentence"),
    [
        (1, "1 of 2,000 synthetic images is a near copy of a real training image."),
        (3, "3 of 2,000 .* are near copies"),
    ],
)
def test_a_single_copy_is_one_too_many(n: int, sentence: str) -> None:
    verdict = judge(n, 2000, {"all classes": attack()})
    assert not verdict.passed
    assert len(verdict.reasons) == 1
    with pytest.raises(ReleaseError, match=sentence):
        check_release(verdict)


@pytest.mark.parametrize(
    ("found", "passed"),
    [
        (attack(auc=0.7, p_auc=1e-4), False),
        (attack(auc=0.7, p_auc=0.02), True),  # may be chance
        (attack(auc=0.54, p_auc=1e-9), True),  # no chance, and of no use to an attacker
        (attack(caught=0.2, p_caught=1e-4), False),
        (attack(caught=0.2, p_caught=0.02), True),
        (attack(caught=0.02, p_caught=1e-9), True),
    ],
)
def test_a_trace_must_be_both_sure_and_large(found: Membership, passed: bool) -> None:
    assert judge(0, 200, {"carcinoma": found}).passed == passed
    assert passed or "carcinoma" in judge(0, 200, {"carcinoma": found}).reasons[0]


def test_more_classes_ask_for_smaller_p_values() -> None:
    found = attack(auc=0.7, p_auc=RULE.level / 2 * 0.9)
    assert not judge(0, 200, {"all classes": found}).passed
    assert judge(0, 200, {"all classes": found, "normal": attack()}).passed
    assert not judge(0, 200, {"all classes": found, "normal": attack()}, Rule(level=0.2)).passed


def test_what_passes_is_released_and_needs_no_reason() -> None:
    release = check_release(PASSED)
    assert (release.passed, release.reasons, release.override) == (True, (), None)
    assert check_release(PASSED, "The board agreed on 3 May.").override is None


def test_a_refusal_is_overridden_in_writing_only() -> None:
    with pytest.raises(ReleaseError, match=r"3 of 200 .* Remove the copies"):
        check_release(REFUSED)
    release = check_release(REFUSED, "  The board agreed on 3 May.  ")
    assert (release.passed, release.override) == (False, "The board agreed on 3 May.")
    assert release.reasons == REFUSED.reasons


@pytest.mark.parametrize("reason", ["", "   ", "ok", "yes      \n   "])
def test_a_reason_has_to_be_one(reason: str) -> None:
    for found in (REFUSED, PASSED):
        with pytest.raises(SettingError, match="at least 10 characters"):
            check_release(found, reason)


def test_the_detectable_share_is_that_of_drawing_at_least_one() -> None:
    for n in (1, 50, 1000):
        assert 1 - (1 - detectable_share(n)) ** n == pytest.approx(0.95)
    assert detectable_share(149) < 0.02 < detectable_share(148)
    assert detectable_share(0) == 1
    assert np.all(np.diff([detectable_share(n) for n in range(1, 100)]) < 0)
