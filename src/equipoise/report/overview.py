"""What a reader sees first: on what the verdict rests, what to know before believing it, the data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from equipoise.data.splits import PARTS
from equipoise.report.figures import OKABE_ITO
from equipoise.report.formatting import extent, plural, times
from equipoise.report.run_contents import Contents
from equipoise.runs.duplicate_pairs import DuplicatePairs, PairsBySplit

MUCH_ALIKE = 0.5  # pairwise distance of synthetic images as a share of that of real ones
FEW_IMAGES = 30  # test images of a class in one split, below which a single image moves recall by over 3 points


def basis(c: Contents) -> str:
    """Say on what the verdict rests."""
    metric, n_splits, n_seeds = (
        c.results.metrics[c.results.primary_metric].label,
        len(c.description.splits),
        len(c.description.seeds),
    )
    pairs = [row.n_runs for row in c.results.comparisons if row.metric == c.results.primary_metric]
    runs = (
        f"{extent(pairs)} paired {'run' if set(pairs) == {1} else 'runs'} of each method"
        if pairs
        else "No pairs"
    )
    return (
        f"Positive (rare) class: {c.rare_class}. {runs} against the baseline {c.results.baseline} "
        f"({plural(n_splits, 'split')} by patient, {plural(n_seeds, 'seed')} each). "
        f"The verdict rests on {metric}, named before anything was trained."
    )


def glance(c: Contents) -> dict[str, str]:
    """Give the study in numbers."""
    dataset = c.description.images
    counts = [n for n in dataset.counts if n]
    channels, *sides = dataset.shape
    return {
        "images": f"{dataset.n_images:,}",
        "patients": f"{dataset.n_groups:,}",
        "classes": str(len(dataset.class_names)),
        "imbalance ratio": f"{max(counts) / min(counts):.1f}",
        "pixels": times(*sides) + {1: " gray", 3: " RGB"}[channels],
        "splits and seeds": times(len(c.description.splits), len(c.description.seeds)),
        "cells done": f"{len(c.finished())} of {len(c.run.cells)}",
        "cells failed": str(len(c.run.failed)),
    }


def warnings(c: Contents) -> list[str]:
    """Say what a reader has to know before believing the rest."""
    skipped = c.description.skipped
    return [
        *incomplete(c),
        *failures(c),
        *_crossing(c),
        *_small(c),
        *_alike(c),
        *([f"{plural(len(skipped), 'file')} could not be read and were left out: {', '.join(skipped[:5])}"
           + (", …" if len(skipped) > 5 else "") + "."] if skipped else []),
        *c.description.notes,
    ]  # fmt: skip


def incomplete(c: Contents) -> Iterator[str]:
    """Say how many cells are missing."""
    if c.results.n_missing:
        missing = f"{c.results.n_missing} of {plural(len(c.run.cells), 'cell')} are missing"
        yield f"This study is not finished: {missing}. The same command goes on from here."


def failures(c: Contents) -> Iterator[str]:
    """Say which methods failed, how often, and why the first time."""
    for method in c.methods:
        if failed := c.run.failed_of(method):
            first = failed[0]
            where = f"{first.cell.split}, seed {first.cell.seed}"
            yield f"{method} failed in {plural(len(failed), 'run')}; in {where}: {first.error}"


def _crossing(c: Contents) -> Iterator[str]:
    for part, crossing in _crossing_by_part(c).items():
        pairs = {split: pairs for split, pairs in crossing.items() if pairs}
        if pairs:
            n = plural(sum(len(p) for p in pairs.values()), "pair")
            yield f"{n} of duplicate images cross into {part} ({', '.join(pairs)}): its results are too good."


def _crossing_by_part(c: Contents) -> dict[str, PairsBySplit]:
    duplicates = c.run.duplicates or DuplicatePairs()
    return {"test": duplicates.into_test, "validation": duplicates.into_validation}


def _small(c: Contents) -> Iterator[str]:
    smallest = np.min([split.counts["test"] for split in c.description.splits], axis=0)
    for name, n in zip(c.class_names, smallest.tolist(), strict=True):
        if n == 0:
            yield f"Some test part holds no image of {name}: metrics that need it are missing there."
        elif n < FEW_IMAGES:
            moves = f"one image moves its recall by {100 / n:.1f} points"
            yield f"Only {plural(n, 'test image')} of {name} in a split: {moves}."


def _alike(c: Contents) -> Iterator[str]:
    for method in c.methods:
        for label, name in enumerate(c.class_names):
            generated = [
                r for r in c.image_records(method) if r.counts_after[label] > r.counts_before[label]
            ]
            shares = [r.diversity[label] for r in generated if label in r.diversity]
            if shares and float(np.median(shares)) < MUCH_ALIKE:
                share = f"{100 * float(np.median(shares)):.0f} % of what real ones do"
                yield f"The images of {name} that {method} makes are much alike: they differ by {share}."


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
    """Count the images of each class, in all and in each part."""
    counts = c.description.dataset.counts
    return [
        ClassCount(
            name=name,
            rare=(rare := k == c.description.rare_class),
            count=f"{n:,}",
            share=f"{n / sum(counts):.1%}",
            bar=round(100 * n / max(counts), 2),
            color=OKABE_ITO[1] if rare else OKABE_ITO[0],
            parts={
                part: extent(split.counts[part][k] for split in c.description.splits)
                for part in PARTS
            },
        )
        for k, (name, n) in enumerate(zip(c.class_names, counts, strict=True))
    ]


def duplicates(c: Contents) -> str:
    """Say what the duplicate scan found."""
    pairs = c.run.duplicates
    if pairs is None:
        return "No scan for duplicates was stored with this study."
    exact, near = len(pairs.exact), len(pairs.near)
    if not exact + near:
        return "No two images are the same or nearly the same."
    conflicting = len(pairs.conflicting)
    return (
        f"{plural(exact, 'pair')} of identical and {plural(near, 'pair')} of nearly identical images"
        + (f", {conflicting} of them with different labels" if conflicting else "")
        + (
            ". Some lie on both sides of a split."
            if pairs.crosses
            else ". None lies on both sides of a split."
        )
    )


def crossing_pairs(c: Contents) -> list[tuple[str, ...]]:
    """List split, part and the two images of every pair that crosses."""
    return [
        (split, f"into {part}", *pair)
        for part, crossing in _crossing_by_part(c).items()
        for split, pairs in crossing.items()
        for pair in pairs
    ]
