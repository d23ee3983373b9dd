"""The verdict of a study of volumes in two plain sentences."""

from dataclasses import dataclass

from equipoise.metrics.jackknife import FEWEST
from equipoise.results.phrases import (
    capitalized,
    detectable_in_words,
    effects,
    incomplete,
    listed,
    plural,
    with_verdict,
)
from equipoise.results.records import UNTESTED, Results, VerdictWord

VERDICTS: tuple[VerdictWord, VerdictWord] = ("better", "worse")
ENOUGH_FOLDS = 5  # recommended: with three, only differences of several standard errors are found


@dataclass(frozen=True, kw_only=True)
class VolumeDesign:
    """How the networks of a study of volumes share the patients.

    Attributes:
        n_patients: Patients that finished cells have tested.
        n_folds: Folds of the study.
        n_seeds: Seeds of the study.
        leaves_one_out: Whether every fold tests a single patient.
        unit: "patient", or "case" where no patients are known.
    """

    n_patients: int
    n_folds: int
    n_seeds: int
    leaves_one_out: bool
    unit: str = "patient"

    @property
    def in_words(self) -> str:
        """Patients, folds and seeds."""
        patients = plural(self.n_patients, f"test {self.unit}")
        seeds = plural(self.n_seeds, "seed")
        if self.leaves_one_out:
            return f"{patients}, one in each fold, {seeds}"
        return f"{patients} in {plural(self.n_folds, 'fold')}, {seeds}"


def volume_sentences(results: Results, design: VolumeDesign) -> tuple[str, str]:
    """Write the verdict for a reader who knows the disease and not the statistics.

    The first sentence names what segments better by the primary metric and by how much, or how
    large a difference would have been found. The second says what each region shows, and what
    failed.
    """
    names = list(dict.fromkeys(row.metric for row in results.comparisons))
    parts = []
    for name in names:
        clauses = []
        # The first sentence already names what is better on the primary metric.
        for verdict in VERDICTS[name == results.primary_metric :]:
            if selected := with_verdict(verdict, results.compared_on(name)):
                clauses.append(f"{verdict} with {effects(selected)}")
        if clauses:
            parts.append(f"{results.metrics[name].label}: {listed(clauses)}")
    parts += incomplete(results)
    if not parts:
        tested = any(row.verdict not in UNTESTED for row in results.comparisons)
        parts = ["no region shows a detectable difference" if tested else "every run finished"]
    return _primary_sentence(results, design), f"{capitalized('; '.join(parts))}."


def _primary_sentence(results: Results, design: VolumeDesign) -> str:
    metric, baseline = results.metrics[results.primary_metric], results.baseline
    rows = results.compared_on(metric.name)
    basis = design.in_words
    if not rows:
        return f"Only {baseline} was requested, so there is nothing to compare ({basis})."
    scope = f"{baseline} in {metric.label}"
    if design.n_folds == 1:
        scope += f" for networks trained on these {design.unit}s"
    tested = [row for row in rows if row.verdict not in UNTESTED]
    if not tested:
        obstacle = _obstacle(design)
        if any(row.verdict == "no variation" for row in rows):
            obstacle = f"the difference is the same in every {design.unit}"
        return f"No method can be distinguished from {scope} ({basis}): {obstacle}."
    if better := with_verdict("better", tested):
        return f"Better than {scope} ({basis}; 95 % intervals in brackets): {effects(better)}."
    detectable = detectable_in_words(tested)
    return f"No method is detectably better than {scope} ({basis}); {detectable}."


def _obstacle(design: VolumeDesign) -> str:
    """Explain why nothing could be tested, and what to change."""
    if design.n_patients < FEWEST or design.leaves_one_out:
        return f"it takes at least {FEWEST} {design.unit}s that both have segmented"
    if design.n_folds == 1:
        return (
            "a single training of each cannot show a difference; use more seeds, or "
            f"{ENOUGH_FOLDS} folds"
        )
    if design.n_folds < FEWEST:
        return (
            f"{design.n_folds} folds cannot show how much networks differ from fold to fold; use "
            f"{ENOUGH_FOLDS} folds or more"
        )
    return f"it takes at least {FEWEST} folds that both have finished"
