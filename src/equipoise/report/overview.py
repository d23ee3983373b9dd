"""What a reader sees first: the basis of the verdict, warnings, and the data in numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from equipoise.data.positive_class import REQUESTED, positive_class_reason
from equipoise.data.splits import PARTS
from equipoise.report.failed_cells import failures
from equipoise.report.figures import OKABE_ITO
from equipoise.report.formatting import extent, listed, plural, times
from equipoise.report.notices import CELLS, IMAGES, TRAINING, Notice
from equipoise.report.run_contents import Contents
from equipoise.results.advice import advised_thresholds
from equipoise.results.checkpoints import disagreement, policy_in_words, read_checkpoints
from equipoise.results.phrases import agrees
from equipoise.results.records import RANKING
from equipoise.results.regime.warning import is_frozen
from equipoise.results.replay import missing_replays
from equipoise.results.same_predictions import same_predictions
from equipoise.runs.description import COINCIDENCE, NO_PATIENTS
from equipoise.runs.duplicate_pairs import DuplicatePairs, PairsBySplit

MUCH_ALIKE = 0.5  # pairwise distance of synthetic images as a share of that of real ones
DECISIVE = (*NO_PATIENTS, COINCIDENCE)  # beginnings of notes
FEW_IMAGES = 30  # test images of a class in a split; with fewer, one moves recall by over 3 points
MOST_SPREAD = 0.25  # of the advised threshold over the runs, in probability
MOST_NAMED = 5  # files in one sentence
MOST_WARNINGS = 6  # about the regime on the first screen; the section has all


def basis(c: Contents) -> str:
    """Return the sentences on what the verdict rests."""
    metric = c.results.metrics[c.results.decisive_metric].label
    n_splits, n_seeds = len(c.description.splits), len(c.description.seeds)
    unit = c.description.unit
    n_pairs = []
    for row in c.results.comparisons:
        if row.metric == c.results.decisive_metric and row.n_runs:
            n_pairs.append(row.n_runs)
    runs = "No paired runs"
    if n_pairs:
        noun = "run" if set(n_pairs) == {1} else "runs"
        runs = f"{extent(n_pairs)} paired {noun} of each method"
    rests_on = metric
    if c.results.decisive_metric != RANKING:
        rests_on = f"{metric} and {c.results.metrics[RANKING].label}"
    decides = ""
    if c.results.decisive_metric != c.results.primary_metric:
        rule = "threshold" if len(c.class_names) == 2 else "offsets of the log probabilities"
        decides = (
            f" Every method, the baseline too, decides by the {rule} best on its own validation "
            "images: rebalancing that only moves the operating point gains nothing there."
        )
    why = positive_class_reason(c.class_names, c.description.images.counts, c.results.rare_class)
    reason = "" if why == REQUESTED else f" ({why})"
    return (
        f"Positive class: {c.rare_class}{reason}. {runs} against the baseline "
        f"{c.results.baseline} ({plural(n_splits, 'split')} by {unit}, "
        f"{plural(n_seeds, 'seed')} each). The verdict rests on {rests_on}, named before "
        f"anything was trained.{decides} {policy_in_words(c.description)}".rstrip()
    )


def patients_in_words(c: Contents) -> str:
    """Return the number of patients, or that it is unknown."""
    known = c.description.unit == "patient"
    return f"{c.description.dataset.n_groups:,}" if known else "unknown"


def glance(c: Contents) -> dict[str, str]:
    """Return the study in numbers."""
    dataset = c.description.images
    counts = [n for n in dataset.counts if n]
    channels, *sides = dataset.shape
    color = {1: " gray", 3: " RGB"}[channels]
    return {
        "images": f"{dataset.n_images:,}",
        "patients": patients_in_words(c),
        "classes": str(len(c.class_names)),
        "imbalance ratio": f"{max(counts) / min(counts):.1f}",
        "pixels": times(*sides) + color,
        "splits and seeds": times(len(c.description.splits), len(c.description.seeds)),
        "cells done": f"{len(c.finished())} of {len(c.run.cells)}",
        "cells failed": str(len(c.run.failed)),
    }


def notices(c: Contents) -> Iterator[Notice]:
    """Yield the same with the group of each, and whether it changes the reading of the verdict."""
    yield from stated_notes(c)
    yield from failures(c)
    yield from incomplete(c)
    yield from conflicting_labels(c)
    yield from crossing_duplicates(c)
    yield from notes(c)
    yield from regime_notices(c)
    yield from small_test_sets(c)
    yield from unsettled_threshold(c)
    yield from same_methods(c)
    yield from similar_synthetic_images(c)
    missing = missing_replays(c.description, c.run.images.adding)
    if missing:
        yield Notice(text=missing, group=TRAINING)
    disagrees = disagreement(
        read_checkpoints(c.folder),
        c.results.baseline,
        c.results.metrics,
        frozen=is_frozen(c.description),
    )
    if disagrees:
        yield Notice(text=disagrees, group=TRAINING)
    skipped = c.description.skipped
    if skipped:
        named = ""
        if c.names:
            more = ", …" if len(skipped) > MOST_NAMED else ""
            named = f" ({', '.join(skipped[:MOST_NAMED])}{more})"
        text = f"Left out, because they could not be read: {plural(len(skipped), 'file')}{named}."
        yield Notice(text=text, group=IMAGES, is_about_input=True)


def stated_notes(c: Contents) -> Iterator[Notice]:
    """Yield what the user wants every reader to know."""
    for note in c.description.notes[: c.description.n_stated_notes]:
        yield Notice(text=note, group=IMAGES, decisive=True, is_about_input=True)


def notes(c: Contents) -> Iterator[Notice]:
    """Yield what the reader of the images noted.

    Without patients a comparison may leak; where class and file coincide, it may be about files.
    """
    for note in c.description.notes[c.description.n_stated_notes :]:
        decisive = note.startswith(DECISIVE)
        yield Notice(text=note, group=IMAGES, decisive=decisive, is_about_input=True)


def regime_notices(c: Contents) -> Iterator[Notice]:
    """Yield the most serious things that are wrong with how methods were trained and tested."""
    for warning in c.regime[:MOST_WARNINGS]:
        decisive = bool(warning.unusable)
        yield Notice(text=warning.text, group=TRAINING, decisive=decisive)
    n_more = len(c.regime) - MOST_WARNINGS
    if n_more > 0:
        more = f"{plural(n_more, 'more warning')} of this kind: see Checks of training and test."
        yield Notice(text=more, group=TRAINING)


def incomplete(c: Contents) -> Iterator[Notice]:
    """Yield how many cells are missing."""
    n = c.results.n_missing
    if n:
        missing = f"{n} of {plural(len(c.run.cells), 'cell')} {agrees(n, 'is', 'are')} missing"
        text = f"This study is not finished: {missing}. The same command continues it."
        yield Notice(text=text, group=CELLS, decisive=True)


def crossing_duplicates(c: Contents) -> Iterator[Notice]:
    """Yield how many pairs of duplicates lie on both sides of a split."""
    for part, by_split in crossing_by_part(c).items():
        splits = []
        different: set[tuple[str, ...]] = set()
        for split, pairs in by_split.items():
            if pairs:
                splits.append(split)
                different.update(map(tuple, pairs))
        n = len(different)
        if n:
            text = (
                f"{plural(n, 'pair')} of duplicate images {agrees(n, 'crosses', 'cross')} from "
                f"training into {part} ({', '.join(splits)}): its results are too optimistic."
            )
            yield Notice(text=text, group=IMAGES, decisive=part == "test")


def conflicting_labels(c: Contents) -> Iterator[Notice]:
    """Yield how many copies of an image have different labels."""
    n = 0 if c.run.duplicates is None else len(c.run.duplicates.conflicting)
    if n:
        text = (
            f"{plural(n, 'pair')} of duplicate images {agrees(n, 'has', 'have')} different labels, "
            f"one of {agrees(n, 'which', 'each pair')} is wrong: see Duplicates."
        )
        yield Notice(text=text, group=IMAGES, decisive=True, is_about_input=True)


def crossing_by_part(c: Contents) -> dict[str, PairsBySplit]:
    """Return the pairs of duplicates on both sides of a split, by the part that they cross into."""
    pairs = c.run.duplicates or DuplicatePairs()
    return {"test": pairs.into_test, "validation": pairs.into_validation}


def small_test_sets(c: Contents) -> Iterator[Notice]:
    """Yield which classes have few test images in a split."""
    counts = np.array([split.counts["test"] for split in c.description.splits])  # (splits, classes)
    few = []
    for name, n in zip(c.class_names, counts.min(axis=0).tolist(), strict=True):
        if n == 0:
            text = f"A test part has no image of {name}: metrics that need one are missing there."
            yield Notice(text=text, group=IMAGES)
        elif n < FEW_IMAGES:
            few.append(f"{n:,} of {name}, where one image changes recall by {1 / n:.3f}")
    if few:
        text = f"Few test images in a split: {'; '.join(few)}."
        yield Notice(text=text, group=IMAGES)


def unsettled_threshold(c: Contents) -> Iterator[Notice]:
    """Yield that the advised threshold differs much between runs."""
    thresholds = advised_thresholds(c.results, c.run.images)
    if not thresholds:
        return
    low, first, middle, third, high = np.quantile(thresholds, [0, 0.25, 0.5, 0.75, 1])
    if high - low > MOST_SPREAD:
        text = (
            f"The advised threshold is hardly settled: over {len(thresholds)} runs it is "
            f"{low:.2f} to {high:.2f} (median {middle:.2f}, half of the runs {first:.2f} to "
            f"{third:.2f}). Choose it again on images of the place where it will be used, with "
            f"more of {c.rare_class} than in these validation images."
        )
        yield Notice(text=text, group=TRAINING, decisive=True)


def same_methods(c: Contents) -> Iterator[Notice]:
    """Yield which methods are one in fact, because all their predictions are the same."""
    why = ""
    if is_frozen(c.description):
        why = (
            " With frozen features a head is trained until it is the best for its loss, so methods "
            "whose losses weight the images alike end in the same head."
        )
    for methods in same_predictions(c.run.images):
        text = (
            f"{listed(methods)} predict the same in every run: here they are one method under "
            f"{len(methods)} names.{why}"
        )
        yield Notice(text=text, group=TRAINING)


def similar_synthetic_images(c: Contents) -> Iterator[Notice]:
    """Yield which methods generate images of a class that are too similar to each other."""
    for method in c.methods:
        for label, name in enumerate(c.class_names):
            shares = []
            for record in c.image_records(method):
                added = record.counts_after[label] > record.counts_before[label]
                if added and label in record.diversity:
                    shares.append(record.diversity[label])
            if shares and float(np.median(shares)) < MUCH_ALIKE:
                text = (
                    f"The images of {name} that {method} generates are much alike: their pairwise "
                    f"distance is {100 * float(np.median(shares)):.0f} % of that of real images."
                )
                yield Notice(text=text, group=TRAINING)


@dataclass(frozen=True)
class ClassCount:
    """A class in the table of counts; parts are written as the extent over splits."""

    name: str
    rare: bool
    count: str
    share: str
    bar: float
    color: str
    parts: Mapping[str, str]


def class_counts(c: Contents) -> list[ClassCount]:
    """Count the images of each class, in total and in each part."""
    counts = c.description.dataset.counts
    rows = []
    for label, (name, n) in enumerate(zip(c.class_names, counts, strict=True)):
        rare = label == c.description.rare_class
        parts = {}
        for part in PARTS:
            parts[part] = extent(split.counts[part][label] for split in c.description.splits)
        row = ClassCount(
            name=name,
            rare=rare,
            count=f"{n:,}",
            share=f"{n / sum(counts):.1%}",
            bar=round(100 * n / max(counts), 2),
            color=OKABE_ITO[1] if rare else OKABE_ITO[0],
            parts=parts,
        )
        rows.append(row)
    return rows


def duplicates(c: Contents) -> str:
    """Return what the duplicate scan found."""
    pairs = c.run.duplicates
    if pairs is None:
        return "No scan for duplicates was stored with this study."
    n_exact, n_near = len(pairs.exact), len(pairs.near)
    if not n_exact + n_near:
        return "No two images are the same or nearly the same."
    n_conflicting = len(pairs.conflicting)
    counts = []
    if n_exact:
        counts.append(f"{plural(n_exact, 'pair')} of identical")
    if n_near:
        counts.append(f"{plural(n_near, 'pair')} of nearly identical")
    conflicting = f", {n_conflicting} of them with different labels" if n_conflicting else ""
    if n_conflicting == n_exact + n_near:
        conflicting = " with different labels"
    one = n_exact + n_near == 1
    if pairs.crosses:
        sides = "It lies on both sides of a split." if one else "Some lie on both sides of a split."
    else:
        sides = f"{'It does not lie' if one else 'None lies'} on both sides of a split."
    return f"{listed(counts)} images{conflicting}. {sides}"


def crossing_pairs(c: Contents) -> list[tuple[str, ...]]:
    """Return split, part and the two images of every pair on both sides of a split.

    Empty where names are hidden.
    """
    rows: list[tuple[str, ...]] = []
    if not c.names:
        return rows
    for part, by_split in crossing_by_part(c).items():
        for split, pairs in by_split.items():
            for pair in pairs:
                rows.append((split, f"into {part}", *pair))
    return rows
