"""Synthetic images against cheap controls: whether a generator is worth its effort."""

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.report.formatting import listed, plural
from equipoise.report.run_contents import Contents
from equipoise.report.tables import Forest, contest_forests
from equipoise.results.records import Contest

HEADING = "Synthetic images against cheap controls"
ORDER = 5

# Of `Contest.basis`; the numbers are those of docs/results/simulations/champion.json.
RULES = {
    "other seeds": "For every run the generator was chosen by the other seeds of the same split, "
    "on their validation images: neither the tested patients nor the luck of the tested training "
    "have a part in the choice.",
    "other splits": "With a single seed, the generator was chosen for every run by the other "
    "splits, on the validation images of patients that the run does not test. Those splits have "
    "trained on the tested patients, which flatters the chosen one by up to 0.01 in simulations; "
    "more seeds avoid it.",
    "own": "With a single run, the generator was chosen by the validation images of the compared "
    "training itself, whose luck flatters the chosen one; more seeds avoid it.",
}


@dataclass(frozen=True)
class ContestView:
    """What the template of this section shows."""

    contest: Contest
    choice: str
    forests: Sequence[Forest]


def view(contents: Contents) -> ContestView | None:
    """Return the contest; None where no method adds images, or there is no control."""
    contest = contents.results.contest
    if contest is None:
        return None
    return ContestView(contest, choice_text(contest), contest_forests(contents))


def choice_text(contest: Contest) -> str:
    """Return how the compared generator was chosen, and how often each one was."""
    if contest.n_challengers == 1:
        return f"{contest.champion} is the only generator of this run."
    n_runs = plural(sum(contest.chosen.values()), "run")
    parts = [f"{name} in {count}" for name, count in contest.chosen.items()]
    counts = f"Of {contest.n_challengers} generators it was {listed(parts)} of {n_runs}."
    return f"{RULES[contest.basis]} {counts}"
