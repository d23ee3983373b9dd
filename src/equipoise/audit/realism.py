"""Realism of synthetic images of a class: each measure beside that of real ones, at equal n."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Labels, Rows
from equipoise.atomic import JsonValue
from equipoise.metrics.feature_sets import Features, Patients
from equipoise.metrics.fidelity import NEIGHBORS, favored_spread, fid, kid_interval, prdc
from equipoise.metrics.two_sample import two_sample_test

N_DRAWS = 5  # pairs of real sets, each compared with a draw of the synthetic images
MOST = 300  # images in a set: more cost time and add little
FEWEST = 20  # images in a set: with fewer, five neighbors are more than a quarter of all others
FEWEST_PATIENTS = 10  # in a set: below, the interval of KID did not cover in simulations
# FID is refused where it would prefer images that vary less than this share of real ones.
SMALLEST_SPREAD = 0.9
CONSTANT = 1e-5  # of the largest feature: a smaller spread is rounding in float32
MEASURES = (
    "kid",
    "fid",
    "precision",
    "recall",
    "density",
    "coverage",
    "two_sample",
    "detectable",  # the smallest AUROC of `two_sample` that so many images would show
)

UNDEFINED = float("nan")

Interval = tuple[float, float, float]  # value and the ends of its interval
Measured = Mapping[str, Interval]  # by the names of `MEASURES`


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A measure of the synthetic images of a class, and of real ones in their place (`floor`).

    Attributes:
        measure: Its name.
        extractor: Name of the extractor of the features; empty for a measure of the images.
        n: Images in each set.
        value: The measure of synthetic images; the mean over draws.
        low: Lower end of its interval.
        high: Upper end.
        floor: The same of real images.
        floor_low: Lower end.
        floor_high: Upper end.
        refused: Why there is no number; empty if there is one.
    """

    measure: str
    extractor: str = ""
    n: int
    value: float = UNDEFINED
    low: float = UNDEFINED
    high: float = UNDEFINED
    floor: float = UNDEFINED
    floor_low: float = UNDEFINED
    floor_high: float = UNDEFINED
    refused: str = ""

    @classmethod
    def of(
        cls, measure: str, n: int, synthetic: Interval, real: Interval, extractor: str = ""
    ) -> Self:
        """Put the measures of synthetic and of real images side by side."""
        value, low, high = synthetic
        floor, floor_low, floor_high = real
        return cls(
            measure=measure,
            extractor=extractor,
            n=n,
            value=value,
            low=low,
            high=high,
            floor=floor,
            floor_low=floor_low,
            floor_high=floor_high,
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Return the fields that are defined: JSON has no NaN."""
        fields = asdict(self)
        for name, value in asdict(self).items():
            if isinstance(value, float) and np.isnan(value):
                del fields[name]
        return fields


@dataclass(frozen=True, kw_only=True)
class Separation:
    """The AUROC of a class of real images against the others in the features of an extractor.

    Attributes:
        label: The class.
        auroc: Measured on held-out real images; None where it cannot be measured.
        low: Lower end of its 95 % interval.
        high: Upper end.
        refused: Why the features are not to be used for this class; empty where they are.
    """

    label: int
    auroc: float | None = None
    low: float | None = None
    high: float | None = None
    refused: str


@dataclass(frozen=True, eq=False)
class RealFeatures:
    """Features (n, d) of real images of one class, and (n,) their patients."""

    features: Features
    patients: Patients

    def __len__(self) -> int:
        return len(self.features)

    def rows(self, rows: NDArray[np.int64]) -> "RealFeatures":
        """Select rows."""
        return RealFeatures(self.features[rows], self.patients[rows])

    def draw(self, n: int, rng: np.random.Generator) -> "RealFeatures":
        """Draw n rows without replacement, in increasing order."""
        return self.rows(_draw(len(self), n, rng))

    @property
    def is_enough(self) -> bool:
        """Whether there are enough images and patients for any measure."""
        return len(self) >= FEWEST and len(np.unique(self.patients)) >= FEWEST_PATIENTS

    def halved(self, rng: np.random.Generator) -> tuple["RealFeatures", "RealFeatures"]:
        """Split by patient into two parts of nearly as many images."""
        names, counts = np.unique(self.patients, return_counts=True)
        order = rng.permutation(len(names))
        first = names[order[np.cumsum(counts[order]) <= (len(self) + 1) // 2]]
        inside = np.isin(self.patients, first)
        return self.rows(np.flatnonzero(inside)), self.rows(np.flatnonzero(~inside))


@dataclass(frozen=True, eq=False)
class RealPairs:
    """Pairs of real sets of one class, without a common patient: the reference of synthetic images.

    The first set of a pair is the reference; synthetic images, or those of the second set, are
    compared with it. If the validation part has enough images, it is the first set and the training
    images are the second. Otherwise the training images are halved by patient: the generator then
    has seen both halves.

    Attributes:
        pairs: `N_DRAWS` pairs; empty if there are too few images.
        source: "validation" or "training": the part of the reference.
        extractor: Name of the extractor of the features.
    """

    pairs: Sequence[tuple[RealFeatures, RealFeatures]]
    source: str
    extractor: str = ""
    _floors: dict[int, tuple[Measured, float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        train: RealFeatures,
        held_out: RealFeatures,
        rng: np.random.Generator,
        extractor: str = "",
    ) -> Self:
        """Choose the reference."""
        if held_out.is_enough and train.is_enough:
            return cls([(held_out, train)] * N_DRAWS, "validation", extractor)
        pairs = []
        for _ in range(N_DRAWS):
            pairs.append(train.halved(rng))
        for first, second in pairs:
            if not (first.is_enough and second.is_enough):
                return cls((), "training", extractor)
        return cls(pairs, "training", extractor)

    def compare(self, fake: Features, rng: np.random.Generator) -> list[Finding]:
        """Measure synthetic images, each time as many as there are real ones in both sets.

        Args:
            fake: (m, d) features of synthetic images of the class.
            rng: Draws the synthetic images.

        Returns:
            A finding for each of `MEASURES`; refused if there are too few images.
        """
        n = min(MOST, len(fake))
        for first, second in self.pairs:
            n = min(n, len(first), len(second))
        reason = self.refusal(n, len(fake))
        if reason:
            return self.refused(n, reason)
        floor, spread = self.floor(n)
        draws = []
        pairs = self.draw(n)
        if len(pairs) == 1 and len(fake) > n:
            pairs *= N_DRAWS
        for first, _ in pairs:
            rows = _draw(len(fake), n, rng)
            draws.append(compared(first, RealFeatures(fake[rows], np.arange(n))))
        findings = []
        for name, interval in _averaged(draws).items():
            finding = Finding.of(name, n, interval, floor[name], self.extractor)
            if name == "fid" and spread < SMALLEST_SPREAD:
                reason = (
                    f"{n} images are too few: FID would prefer images that vary "
                    f"{1 - spread:.0%} less than real ones."
                )
                finding = Finding(measure=name, extractor=self.extractor, n=n, refused=reason)
            findings.append(finding)
        return findings

    def refusal(self, n: int, n_fake: int) -> str:
        """Explain why `n` of `n_fake` synthetic images cannot be compared; empty if they can."""
        if not self.pairs:
            return (
                f"There are too few real images: at least {FEWEST} from at least {FEWEST_PATIENTS} "
                "patients are needed, in the validation part or in each half of the training part."
            )
        if n < FEWEST:
            return f"{n_fake} synthetic images are fewer than the {FEWEST} that are needed."
        first, _ = self.pairs[0]
        if is_constant(first.features):
            return f"The features of the extractor {self.extractor} are the same for all images."
        return ""

    def refused(self, n: int, reason: str) -> list[Finding]:
        """Return a finding without a number for each measure."""
        findings = []
        for name in MEASURES:
            findings.append(Finding(measure=name, extractor=self.extractor, n=n, refused=reason))
        return findings

    def draw(self, n: int) -> list[tuple[RealFeatures, RealFeatures]]:
        """Draw n images from each set of each pair; the same n gives the same images.

        One pair is returned where all would be the same.
        """
        rng = np.random.default_rng(n)
        pairs = []
        for first, second in self.pairs:
            pairs.append((first.draw(n, rng), second.draw(n, rng)))
            if self.source == "validation" and len(first) == len(second) == n:
                break
        return pairs

    def floor(self, n: int) -> tuple[Measured, float]:
        """Measure real images, and the spread that FID would favor; computed once for each n."""
        if n not in self._floors:
            draws, spreads = [], []
            for first, second in self.draw(n):
                spreads.append(favored_spread(first.features, second.features))
                draws.append(compared(first, second))
            self._floors[n] = _averaged(draws), float(np.mean(spreads))
        return self._floors[n]


def compared(real: RealFeatures, other: RealFeatures) -> dict[str, Interval]:
    """Compare two sets of as many images; the ends are NaN for measures without an interval."""
    a, b = real.features, other.features
    kernel = kid_interval(a, b, patients=real.patients, fake_patients=other.patients)
    classifier = two_sample_test(a, b, patients=real.patients, fake_patients=other.patients)
    cover = prdc(a, b, NEIGHBORS)
    return {
        "kid": (kernel.value, kernel.low, kernel.high),
        "fid": (fid(a, b), UNDEFINED, UNDEFINED),
        "precision": (cover.precision, UNDEFINED, UNDEFINED),
        "recall": (cover.recall, UNDEFINED, UNDEFINED),
        "density": (cover.density, UNDEFINED, UNDEFINED),
        "coverage": (cover.coverage, UNDEFINED, UNDEFINED),
        "two_sample": (classifier.auroc, classifier.low, classifier.high),
        "detectable": (classifier.detectable, UNDEFINED, UNDEFINED),
    }


def first_of_classes(labels: Labels, most: int) -> Rows:
    """Select the rows of the first `most` of each class, in increasing order."""
    rows: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    for label in np.unique(labels):
        rows.append(np.flatnonzero(labels == label)[:most])
    return np.sort(np.concatenate(rows))


def is_constant(features: Features) -> bool:
    """Return whether all rows are equal, but for rounding: such features see nothing."""
    largest = np.abs(features).max(initial=0)
    spread = np.ptp(features, axis=0).max(initial=0) if len(features) else 0.0
    return bool(spread <= CONSTANT * max(float(largest), CONSTANT))


def _averaged(draws: Sequence[Measured]) -> dict[str, Interval]:
    """Average over draws, ends of intervals too; without ends, take the least and largest value."""
    averages: dict[str, Interval] = {}
    for name in MEASURES:
        values, lows, highs = np.array([draw[name] for draw in draws]).T
        if np.isfinite(lows).all():
            low, high = lows.mean(), highs.mean()
        else:
            low, high = values.min(), values.max()
        averages[name] = float(values.mean()), float(low), float(high)
    return averages


def _draw(n: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(rng.permutation(n)[:size])
