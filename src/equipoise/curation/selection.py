"""Select synthetic images of one class: generate more than needed, filter, repeat, fill up."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from equipoise.arrays import Images, Rows
from equipoise.curation.filters import FILTERS, Candidates, Margins
from equipoise.curation.reference import Reference
from equipoise.metrics.memorization import Features

LAST_RESORT = ("sanity", "memorization")  # images that these dropped fill a class up last

# number of images, round, features of the accepted images -> candidates
GenerateCandidates = Callable[[int, int, Features], Candidates]


@dataclass
class Tally:
    """Numbers of images of one class.

    Attributes:
        counts: {filter: [images that it tested, images that it kept]}, in order.
        filled: Dropped images that were used all the same, because too few passed.
    """

    counts: dict[str, list[int]] = field(default_factory=dict)
    filled: int = 0


@dataclass(frozen=True, kw_only=True)
class SelectionSettings:
    """Parameters of a selection.

    Attributes:
        filters: Names of `FILTERS`, applied one after the other.
        oversupply: Images generated for each one that is still missing.
        rounds: Largest number of times that images are generated.
    """

    filters: Sequence[str]
    oversupply: float
    rounds: int


def select_images(
    n: int, generate: GenerateCandidates, reference: Reference, settings: SelectionSettings
) -> tuple[Images, Tally]:
    """Return n images, the first that pass all filters.

    A class that is short after `rounds` is filled up with dropped images: those that passed most
    filters, and among them those nearest to the threshold. We fill up, because `generate` owes one
    image per label, and because fewer images would confound the comparison of a curated with an
    uncurated arm of the same size. `Tally.filled` counts them.

    Args:
        n: Number of images, at least 1.
        generate: Generates candidates.
        reference: Statistics of the real images of the class.
        settings: Filters, oversupply and rounds.
    """
    tally = Tally({name: [0, 0] for name in settings.filters})
    accepted = _RankedImages()
    dropped = _RankedImages()
    for round_ in range(settings.rounds):
        missing = n - len(accepted)
        if missing <= 0:
            break
        candidates = generate(
            math.ceil(missing * settings.oversupply), round_, accepted.all_features
        )
        passed, ranks = _apply_filters(candidates, reference, settings.filters, tally)
        accepted.add(candidates, passed, np.zeros((len(passed), 2)))
        failed = np.setdiff1d(np.arange(len(candidates)), passed)
        dropped.add(candidates, failed, ranks[failed])
        dropped.keep_best(n)
    tally.filled = max(0, n - len(accepted))
    dropped.keep_best(tally.filled)
    return np.concatenate([*accepted.images, *dropped.images])[:n], tally


def _apply_filters(
    candidates: Candidates, reference: Reference, names: Sequence[str], tally: Tally
) -> tuple[Rows, Margins]:
    """Return the rows that pass all filters, and the ranks (n, 2) of all candidates.

    The rank of a candidate is the position of the last filter that tested it, 0 for `LAST_RESORT`,
    and its margin there.
    """
    rows = np.arange(len(candidates))
    ranks = np.zeros((len(candidates), 2))
    for position, name in enumerate(names, start=1):
        if not len(rows):
            break
        margins = FILTERS[name].margins(candidates.subset(rows), reference)
        passed = margins >= 0
        tally.counts[name][0] += len(rows)
        tally.counts[name][1] += int(passed.sum())
        ranks[rows, 0] = 0 if name in LAST_RESORT else position
        ranks[rows, 1] = margins
        rows = rows[passed]
    return rows, ranks


@dataclass
class _RankedImages:
    """Images with features and ranks, in order of arrival or, after `keep_best`, the best first."""

    images: list[Images] = field(default_factory=list)
    features: list[Features] = field(default_factory=list)
    ranks: list[Margins] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.images))

    @property
    def all_features(self) -> Features:
        return np.concatenate(self.features) if self.features else np.empty((0, 0))

    def add(self, candidates: Candidates, rows: Rows, ranks: Margins) -> None:
        self.images.append(candidates.images[rows])
        self.features.append(candidates.features[rows])
        self.ranks.append(ranks)

    def keep_best(self, n: int) -> None:
        ranks = np.concatenate(self.ranks)
        best = np.lexsort((-ranks[:, 1], -ranks[:, 0]))[:n]
        self.images = [np.concatenate(self.images)[best]]
        self.features = [np.concatenate(self.features)[best]]
        self.ranks = [ranks[best]]
