"""How real the synthetic images of a class are: each measure beside what other real images reach, at the same n."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.feature_sets import Features, Patients
from equipoise.metrics.fidelity import NEIGHBORS, favored_spread, fid, kid_interval, prdc
from equipoise.metrics.two_sample import two_sample_test

N_DRAWS = 5  # pairs of real sets, each compared with a draw of the synthetic images
MOST = 300  # images in a set: more cost time and tell little more
FEWEST = 20  # images in a set: with fewer, five neighbors are more than a quarter of all others
FEWEST_PATIENTS = 10  # in a set: below, the interval of KID was not seen to hold what it promises
SMALLEST_SPREAD = (
    0.9  # FID is refused where it would prefer images that vary less than this share of real ones
)

NOWHERE = float("nan")

Part = tuple[float, float, float]  # value and the ends of its interval


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A measure of the synthetic images of a class, and of real ones in their place (`floor`).

    Attributes:
        measure: Its name.
        n: Images in each set.
        value: What was found; the mean over draws.
        low: Lower end of its interval.
        high: Upper end.
        floor: The same of real images.
        floor_low: Lower end.
        floor_high: Upper end.
        refused: Why there is no number; empty where there is one.
    """

    measure: str
    n: int
    value: float = NOWHERE
    low: float = NOWHERE
    high: float = NOWHERE
    floor: float = NOWHERE
    floor_low: float = NOWHERE
    floor_high: float = NOWHERE
    refused: str = ""

    @classmethod
    def of(cls, measure: str, n: int, part: Part, floor: Part) -> Self:
        """Put what was found of synthetic images and of real ones side by side."""
        value, low, high = part
        return cls(
            measure=measure, n=n, value=value, low=low, high=high,
            floor=floor[0], floor_low=floor[1], floor_high=floor[2],
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Reals:
    """Features of real images of one class, and their patients."""

    features: Features
    patients: Patients

    def __len__(self) -> int:
        return len(self.features)

    def rows(self, rows: NDArray[np.int64]) -> "Reals":
        """Keep some."""
        return Reals(self.features[rows], self.patients[rows])

    @property
    def enough(self) -> bool:
        """Whether there are enough to say anything."""
        return len(self) >= FEWEST and len(np.unique(self.patients)) >= FEWEST_PATIENTS

    def halved(self, rng: np.random.Generator) -> tuple["Reals", "Reals"]:
        """Cut by patient into two parts of nearly as many images."""
        names, counts = np.unique(self.patients, return_counts=True)
        order = rng.permutation(len(names))
        first = names[order[np.cumsum(counts[order]) <= (len(self) + 1) // 2]]
        inside = np.isin(self.patients, first)
        return self.rows(np.flatnonzero(inside)), self.rows(np.flatnonzero(~inside))


@dataclass(frozen=True, eq=False)
class Bench:
    """Pairs of real sets of one class, without a common patient: what synthetic images stand beside.

    The first set of a pair is the yardstick; synthetic images, or those of the second set, are held against it.
    Where the validation part has enough images, it is the first set and the training images are the second. Else
    the training images are halved by patient: the generator then has seen both halves.

    Attributes:
        pairs: `N_DRAWS` pairs; empty where there are too few images.
        source: "validation" or "training": where the yardstick is from.
    """

    pairs: Sequence[tuple[Reals, Reals]]
    source: str
    _floors: dict[int, tuple[Mapping[str, Part], float]] = field(default_factory=dict)

    @classmethod
    def of(cls, train: Reals, held_out: Reals, rng: np.random.Generator) -> "Bench":
        """Choose the yardstick."""
        if held_out.enough and train.enough:
            return cls([(held_out, train)] * N_DRAWS, "validation")
        halves = [train.halved(rng) for _ in range(N_DRAWS)]
        return cls(
            halves if all(part.enough for pair in halves for part in pair) else (), "training"
        )

    def judge(self, fake: Features, rng: np.random.Generator) -> list[Finding]:
        """Measure synthetic images, each time as many as there are real ones in both sets.

        Args:
            fake: (m, d) features of synthetic images of the class.
            rng: Decides which images are drawn.
        """
        n = min([MOST, len(fake), *(len(part) for pair in self.pairs for part in pair)])
        if not self.pairs or n < FEWEST:
            return [Finding(measure=name, n=n, refused=self._why(len(fake))) for name in MEASURES]
        floor, spread = self.floor(n)
        found = [
            compared(first, Reals(fake[_draw(len(fake), n, rng)], np.arange(n)))
            for first, _ in self.drawn(n)
        ]
        return [
            _finding(name, n, part, floor[name], spread) for name, part in _averaged(found).items()
        ]

    def drawn(self, n: int) -> list[tuple[Reals, Reals]]:
        """Draw n images from each set of each pair; the same n gives the same images."""
        rng = np.random.default_rng(n)
        return [
            (a.rows(_draw(len(a), n, rng)), b.rows(_draw(len(b), n, rng))) for a, b in self.pairs
        ]

    def floor(self, n: int) -> tuple[Mapping[str, Part], float]:
        """Give the measures of real images, and the spread that FID would favor; computed once for each n."""
        if n not in self._floors:
            drawn = self.drawn(n)
            spread = np.mean([favored_spread(a.features, b.features) for a, b in drawn])
            self._floors[n] = _averaged([compared(a, b) for a, b in drawn]), float(spread)
        return self._floors[n]

    def _why(self, n_fake: int) -> str:
        if self.pairs:
            return f"{n_fake} synthetic images are fewer than the {FEWEST} that are needed."
        return (
            f"There are too few real images: a set needs {FEWEST} of {FEWEST_PATIENTS} patients, "
            "in the validation part or in each half of the training part."
        )


MEASURES = ("kid", "fid", "precision", "recall", "density", "coverage", "two_sample")


def compared(real: Reals, other: Reals) -> dict[str, Part]:
    """Compare two sets of as many images; measures without an interval of their own have none here."""
    a, b = real.features, other.features
    patients = {"patients": real.patients, "fake_patients": other.patients}
    near, told, cover = (
        kid_interval(a, b, **patients),
        two_sample_test(a, b, **patients),
        prdc(a, b, NEIGHBORS),
    )
    shares = {name: (value, NOWHERE, NOWHERE) for name, value in vars(cover).items()}
    return {
        "kid": (near.value, near.low, near.high),
        "fid": (fid(a, b), NOWHERE, NOWHERE),
        **shares,
        "two_sample": (told.auroc, told.low, told.high),
    }


def _averaged(draws: Sequence[Mapping[str, Part]]) -> dict[str, Part]:
    """Average over draws, ends of intervals too; what has no interval gets the least and the largest value."""
    found: dict[str, Part] = {}
    for name in MEASURES:
        values, lows, highs = np.array([draw[name] for draw in draws]).T
        own = bool(np.isfinite(lows).all())
        low, high = (lows.mean(), highs.mean()) if own else (values.min(), values.max())
        found[name] = float(values.mean()), float(low), float(high)
    return found


def _finding(measure: str, n: int, part: Part, floor: Part, spread: float) -> Finding:
    if measure == "fid" and spread < SMALLEST_SPREAD:
        why = f"{n} images are too few: FID would prefer images that vary {1 - spread:.0%} less than real ones."
        return Finding(measure=measure, n=n, refused=why)
    return Finding.of(measure, n, part, floor)


def _draw(n: int, wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(rng.permutation(n)[:wanted])
