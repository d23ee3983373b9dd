"""Quality of synthetic images of a class beside real ones, in the features of several networks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from equipoise.arrays import Labels, fingerprint
from equipoise.atomic import JsonValue
from equipoise.audit.gate import GateDecision, join_classes
from equipoise.audit.quality_gate import decide_quality
from equipoise.audit.realism import MOST, Finding, RealFeatures, RealPairs, first_of_classes
from equipoise.data.dataset import ImageDataset
from equipoise.features.base import Extractor, extract
from equipoise.image_rows import ImageSource
from equipoise.metrics.feature_sets import Features
from equipoise.randomness import make_rng


@dataclass(frozen=True, eq=False)
class RealPart:
    """Real images of the training or the held-out part, and their features by extractor."""

    images: ImageDataset
    features: Mapping[str, Features]

    @classmethod
    def of(
        cls,
        images: ImageDataset,
        extractors: Sequence[Extractor],
        rng: np.random.Generator,
        cache: Path | None,
    ) -> "RealPart":
        """Draw at most as many images of each class as two sets need, in random order."""
        order = rng.permutation(len(images))
        drawn_images = images.subset(order[first_of_classes(images.labels[order], 2 * MOST)])
        features = {}
        for extractor in extractors:
            features[extractor.name] = extract(drawn_images.images, extractor, cache=cache)
        return cls(drawn_images, features)

    def of_class(self, label: int, extractor: str, scale: float) -> RealFeatures:
        """Select the images of a class, their features divided by `scale`."""
        rows = self.images.labels == label
        return RealFeatures(self.features[extractor][rows] / scale, self.images.groups[rows])


class RealReference:
    """Real training and held-out images, with which synthetic images are compared.

    Args:
        train: Real images that the generator learned from.
        held_out: Real images of other patients; may be empty.
        extractors: Their names differ.
        seed: Parts of the seed of all draws.
        cache: Folder of features, by content.

    Attributes:
        train: The images of `train` that are compared.
        held_out: The images of `held_out` that are compared.
    """

    def __init__(
        self,
        train: ImageDataset,
        held_out: ImageDataset,
        extractors: Sequence[Extractor],
        seed: tuple[str | int, ...],
        cache: Path | None,
    ) -> None:
        self.extractors = extractors
        self.seed = seed
        self.cache = cache
        self.train = RealPart.of(train, extractors, make_rng(*seed, "train"), cache)
        self.held_out = RealPart.of(held_out, extractors, make_rng(*seed, "held"), cache)
        self._pairs: dict[tuple[int, str], RealPairs] = {}

    def scale(self, extractor: str) -> float:
        """Return the root mean square of a classifier's features, whose scale is arbitrary; or 1.

        Divided by it, the distances of several classifiers can be averaged.
        """
        if extractor != "classifier":
            return 1.0
        return float(np.sqrt(np.mean(self.train.features[extractor] ** 2))) or 1.0

    def pairs_of(self, label: int, extractor: str) -> RealPairs:
        """Return the pairs of real sets of a class; drawn once, the same for all extractors."""
        if (label, extractor) not in self._pairs:
            scale = self.scale(extractor)
            train = self.train.of_class(label, extractor, scale)
            held_out = self.held_out.of_class(label, extractor, scale)
            rng = make_rng(*self.seed, "halves", label)
            self._pairs[label, extractor] = RealPairs.of(train, held_out, rng, extractor)
        return self._pairs[label, extractor]

    def compare(
        self,
        images: ImageSource,
        label: int,
        seed: tuple[str | int, ...],
        unusable: Mapping[str, str] | None = None,
    ) -> tuple[list[Finding], str]:
        """Measure synthetic images of one class in the features of every extractor.

        Args:
            images: (n, c, h, w) of the class; at most `MOST` are compared.
            label: The class.
            seed: Parts of the seed that draws the synthetic images.
            unusable: Extractor -> why it is not used for this class.

        Returns:
            The findings, and the part of the real images that are the reference.
        """
        images = images[:MOST]
        train_images = self.train.images
        real = train_images.images[train_images.labels == label]
        findings = [measure_repeats(images, real)]
        source = ""
        for extractor in self.extractors:
            name = extractor.name
            pairs = self.pairs_of(label, name)
            source = pairs.source
            reason = (unusable or {}).get(name, "")
            if reason:
                findings += pairs.refused(len(images), reason)
                continue
            fake = extract(images, extractor, cache=self.cache) / self.scale(name)
            findings += pairs.compare(fake, make_rng(*seed, label))
        return findings, source


def measure_repeats(images: ImageSource, real: ImageSource) -> Finding:
    """Measure the share of images that are constant or repeat an earlier one exactly.

    It needs neither features nor a number of images.
    """
    value, floor = repeated_share(images), repeated_share(real)
    return Finding.of("repeats", len(images), (value, value, value), (floor, floor, floor))


def repeated_share(images: ImageSource) -> float:
    """Return the share of images that are constant, or equal to an earlier one; 0 of no images.

    Example:
        >>> images = np.arange(4 * 9, dtype=np.uint8).reshape(4, 1, 3, 3)
        >>> images[1] = images[0]
        >>> images[2] = 7
        >>> repeated_share(images)
        0.5
    """
    earlier = set()
    n_bad = 0
    for image in images:
        digest = fingerprint(image)
        n_bad += bool((image == image.flat[0]).all()) or digest in earlier
        earlier.add(digest)
    return n_bad / len(images) if len(images) else 0.0


@dataclass(frozen=True, kw_only=True)
class ClassQuality:
    """Quality of the synthetic images of one class.

    Attributes:
        name: The class.
        n: Synthetic images.
        source: "validation" (held out) or "training": the real images that are the reference.
        findings: A finding for each extractor and measure.
    """

    name: str
    n: int
    source: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class QualityAudit:
    """The quality of an audited set of images.

    Attributes:
        classes: Each class with synthetic images.
        decision: Of the gate on quality.
        notes: Limitations.
    """

    classes: tuple[ClassQuality, ...]
    decision: GateDecision
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """Return everything as JSON values; a measure without a number has its reason alone."""
        classes: list[JsonValue] = []
        for row in self.classes:
            findings: list[JsonValue] = []
            for finding in row.findings:
                findings.append(finding.to_json())
            classes.append(
                {"name": row.name, "n": row.n, "source": row.source, "findings": findings}
            )
        return {
            "classes": classes,
            "decision": asdict(self.decision),
            "notes": list(self.notes),
        }


def measure_quality(
    train: ImageDataset,
    held_out: ImageDataset | None,
    images: ImageSource,
    labels: Labels,
    extractors: Sequence[Extractor],
    *,
    notes: tuple[str, ...] = (),
    cache: Path | None = None,
) -> QualityAudit:
    """Compare the synthetic images of each class with the real ones, and decide.

    Args:
        train: Real images that the generator learned from.
        held_out: Real images of other patients; None where there are none.
        images: (n, c, h, w) synthetic images of the same kind.
        labels: (n,) their classes.
        extractors: See `equipoise.features.choosing.choose_extractors`.
        notes: Limitations that are already known.
        cache: Folder of features, by content.
    """
    others = train.subset(slice(0, 0)) if held_out is None else held_out
    reference = RealReference(train, others, extractors, ("quality",), cache)
    classes, decisions = [], []
    for label in np.unique(labels).tolist():
        of_class = images[labels == label]
        order = make_rng("quality", "images", label).permutation(len(of_class))
        findings, source = reference.compare(of_class[order], label, ("quality", "fake"))
        name = train.class_names[label]
        row = ClassQuality(name=name, n=len(of_class), source=source, findings=tuple(findings))
        classes.append(row)
        decisions.append(decide_quality(name, findings))
    return QualityAudit(classes=tuple(classes), decision=join_classes(decisions), notes=notes)
