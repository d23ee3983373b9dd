"""Choose among synthetic images of one class: make more than needed, filter, make more, fill up."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from equipoise.arrays import Images, Rows
from equipoise.curation.filters import FILTERS, Candidates, Margins
from equipoise.curation.reference import Reference
from equipoise.metrics.memorization import Features

LAST = (
    "sanity",
    "memorization",
)  # what these dropped fills a class up only where nothing else is left
Make = Callable[
    [int, int, Features], Candidates
]  # number of images, round, features of those accepted


@dataclass
class Tally:
    """What became of the images of one class.

    Attributes:
        kept: {filter: [images it was shown, images it kept]}, in order.
        filled: Images that a filter dropped and that were taken all the same, because too few were kept.
    """

    kept: dict[str, list[int]] = field(default_factory=dict)
    filled: int = 0


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How to choose.

    Attributes:
        filters: Names of `FILTERS`, applied one after the other.
        oversupply: Images made for each one that is still missing.
        rounds: How often images are made at most.
    """

    filters: Sequence[str]
    oversupply: float
    rounds: int


def select(n: int, make: Make, real: Reference, rule: Rule) -> tuple[Images, Tally]:
    """Give n images that passed all filters, the first ones made; see `Rule`.

    Where `rounds` leave a class short it is filled up with dropped images: those that came farthest, and among
    them those nearest to the bar. Methods A.1, step 7, accept fewer. We fill up, because `generate` owes one image
    for each label, and because an arm of fewer images would compare two things at once: what curation must beat is
    the same number, unfiltered (methods 9.6). `Tally.filled` tells how many.

    Args:
        n: Images wanted, at least 1.
        make: Makes candidates.
        real: What the real images of the class are like.
        rule: How to choose.
    """
    tally = Tally({name: [0, 0] for name in rule.filters})
    kept, dropped = _Pile(), _Pile()
    for round_ in range(rule.rounds):
        if len(kept) >= n:
            break
        made = make(math.ceil((n - len(kept)) * rule.oversupply), round_, kept.features)
        survivors, ranks = _filtered(made, real, rule.filters, tally)
        kept.add(made, survivors)
        others = np.setdiff1d(np.arange(len(made)), survivors)
        dropped.add(made, others, ranks[others])
        dropped.keep_best(n)
    tally.filled = max(0, n - len(kept))
    dropped.keep_best(tally.filled)
    return np.concatenate([*kept.images, *dropped.images])[:n], tally


def _filtered(
    made: Candidates, real: Reference, names: Sequence[str], tally: Tally
) -> tuple[Rows, Margins]:
    """Give the rows that pass all filters, and (n, 2) how far each came: place of the filter, margin there."""
    rows, ranks = np.arange(len(made)), np.zeros((len(made), 2))
    for place, name in enumerate(names, start=1):
        if not len(rows):
            break
        margins = FILTERS[name].margins(made.subset(rows), real)
        keep = margins >= 0
        tally.kept[name][0] += len(rows)
        tally.kept[name][1] += int(keep.sum())
        ranks[rows] = np.stack([np.full(len(rows), 0 if name in LAST else place), margins], axis=1)
        rows = rows[keep]
    return rows, ranks


@dataclass
class _Pile:
    """Images put aside, in the order in which they came or, after `keep_best`, the best first."""

    images: list[Images] = field(default_factory=list)
    parts: list[Features] = field(default_factory=list)
    ranks: list[Margins] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.images))

    @property
    def features(self) -> Features:
        return np.concatenate(self.parts) if self.parts else np.empty((0, 0))

    def add(self, made: Candidates, rows: Rows, ranks: Margins | None = None) -> None:
        self.images.append(made.images[rows])
        self.parts.append(made.features[rows])
        self.ranks.append(np.zeros((len(rows), 2)) if ranks is None else ranks)

    def keep_best(self, n: int) -> None:
        ranks = np.concatenate(self.ranks)
        best = np.lexsort((-ranks[:, 1], -ranks[:, 0]))[:n]
        self.images, self.parts = (
            [np.concatenate(self.images)[best]],
            [np.concatenate(self.parts)[best]],
        )
        self.ranks = [ranks[best]]
