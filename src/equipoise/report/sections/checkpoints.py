"""Which weights are kept, and what the other choice would have shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from equipoise.report.formatting import decimal, interval, signed
from equipoise.report.run_contents import Contents
from equipoise.results.checkpoints import (
    CheckpointRow,
    disagreement,
    policy_in_words,
    read_checkpoints,
    shift_in_words,
    unknown_in_words,
)
from equipoise.results.records import UNTESTED
from equipoise.results.regime.warning import is_frozen

HEADING = "Which weights are kept"
ORDER = 35
SHORT = {"best": "best on validation", "last": "last, averaged"}
SHORT_FROZEN = {"best": "best on validation", "last": "fixed"}


@dataclass(frozen=True)
class PolicyScore:
    """A method under one policy on one metric, as text."""

    mean: str
    interval: str
    difference: str


@dataclass(frozen=True, kw_only=True)
class PolicyLine:
    """A method under one policy: its name on the first of two lines, scores, and its word."""

    method: str
    policy: str
    kept: bool
    scores: Sequence[PolicyScore]
    word: str


@dataclass(frozen=True, kw_only=True)
class CheckpointsView:
    """What the template of this section shows."""

    sentences: Sequence[str]
    labels: Sequence[str]
    lines: Sequence[PolicyLine]
    frozen: bool = False


def view(contents: Contents) -> CheckpointsView | None:
    """Return both policies side by side; None where the other one was not stored."""
    rows = read_checkpoints(contents.folder)
    if not rows:
        return None
    metrics = contents.results.metrics
    names = list(dict.fromkeys(row.metric for row in rows))
    frozen = is_frozen(contents.description)
    verdict = disagreement(rows, contents.results.baseline, metrics, frozen=frozen)
    if not verdict and any(row.word and row.word not in UNTESTED for row in rows):
        verdict = "The verdict on every method would be the same."
    sentences = [
        policy_in_words(contents.description),
        shift_in_words(rows, metrics[names[0]].label, frozen=frozen),
        verdict,
        unknown_in_words(rows),
    ]
    return CheckpointsView(
        sentences=[sentence for sentence in sentences if sentence],
        labels=[metrics[name].label for name in names],
        lines=policy_lines(rows, SHORT_FROZEN if frozen else SHORT),
        frozen=frozen,
    )


def policy_lines(
    rows: Sequence[CheckpointRow], short: Mapping[str, str] = SHORT
) -> list[PolicyLine]:
    """Return two lines for each method, the kept policy first."""
    by_line: dict[tuple[str, int], list[CheckpointRow]] = {}
    for row in rows:
        by_line.setdefault((row.method, row.kept), []).append(row)
    lines = []
    for (method, kept), of_line in by_line.items():
        first = of_line[0]
        line = PolicyLine(
            method=method if kept else "",
            policy=short[first.policy],
            kept=bool(kept),
            scores=[policy_score(row) for row in of_line],
            word=first.word,
        )
        lines.append(line)
    return lines


def policy_score(row: CheckpointRow) -> PolicyScore:
    """Return the texts of a row; a number that is not known is a dash."""
    span = interval(row.difference_low, row.difference_high, signed)
    return PolicyScore(
        mean=decimal(row.mean),
        interval=interval(row.low, row.high),
        difference=f"{signed(row.difference)}{' ' + span if span else ''}" if row.word else "",
    )
