"""`audit`: compare synthetic images with the training images of their generator and with others."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from equipoise.arrays import Labels
from equipoise.atomic import JsonValue
from equipoise.audit.findings import AuditedSet, Findings, compute_findings
from equipoise.audit.gate import (
    DEFAULT_RULE,
    GateDecision,
    GateRule,
    apply_rule,
    detectable_share,
)
from equipoise.audit.near_copies import CopySearch, NearCopies, Pair
from equipoise.audit.realism import is_constant
from equipoise.data.dataset import ImageDataset
from equipoise.exceptions import DataError, LeakageError
from equipoise.features.base import Extractor, Features, extract
from equipoise.image_rows import ImageSource
from equipoise.metrics.memorization import Membership, standardized
from equipoise.validation import check_images, check_labels

ALL_CLASSES = "all classes"


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The results of an audit; `to_json` returns them as JSON values.

    Attributes:
        extractor: Name of the extractor of the features.
        digest: Its hash; distances of two audits with different digests are not comparable.
        rule: Thresholds of the gate.
        overall: All classes with synthetic images, together.
        classes: Each of them.
        pairs: Near copies and the most alike pairs of each class, most alike first.
        held_out_copies: Held-out images that would count as near copies of training images.
        detectable: Smallest share of copies at which at least one is among the audited images with
            probability 0.95.
        privacy: The decision of the gate on privacy.
        notes: Limitations of the audit.
    """

    extractor: str
    digest: str
    rule: GateRule
    overall: Findings
    classes: tuple[Findings, ...]
    pairs: tuple[Pair, ...]
    held_out_copies: int
    detectable: float
    privacy: GateDecision
    notes: tuple[str, ...]

    @property
    def copies(self) -> tuple[Pair, ...]:
        """The near copies."""
        return tuple(pair for pair in self.pairs if pair.copy)

    def to_json(self) -> dict[str, JsonValue]:
        """Return everything as JSON values."""
        return asdict(self)


def audit(
    train: ImageDataset,
    held_out: ImageDataset | None,
    images: ImageSource,
    labels: Labels,
    extractor: Extractor,
    *,
    rule: GateRule = DEFAULT_RULE,
    cache: str | Path | None = None,
) -> Audit:
    """Search for copies of training images and for traces of who was in the training images.

    Near copies are searched by pixels among all training images and confirmed by features. The
    other measures compare images of the same class by distances of features, standardized over the
    real images.

    Args:
        train: Real images that the generator was trained on.
        held_out: Real images of other patients from the same source; None where there are none,
            and then only copies can be found.
        images: (n, c, h, w) synthetic images of the same kind.
        labels: (n,) their classes, indices into the class names of `train`.
        extractor: Extractor of the features. It must not have been trained on `train` more than on
            `held_out`: a network memorizes its training images, which would be mistaken for
            memorization by the generator.
        rule: Thresholds of the gate.
        cache: Folder of features, by content; see `equipoise.features.base.extract`.

    Raises:
        DataError: No images, or images of another kind than `train`.
        LeakageError: A patient is both in `train` and in `held_out`.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> from equipoise.features.pixels import pixels
        >>> real = cells((30, 30), size=28)
        >>> held_out = np.isin(real.groups, np.unique(real.groups)[::3])
        >>> train = real.subset(~held_out)
        >>> copies = train.images[:5]
        >>> result = audit(
        ...     train, real.subset(held_out), copies, train.labels[:5], pixels(device="cpu")
        ... )
        >>> result.privacy.status, result.privacy.reasons[0]
        ('refused', '5 of 5 synthetic images are near copies of real training images.')
    """
    others = train.subset(slice(0, 0)) if held_out is None else held_out
    check_comparable(train, others, images, labels)  # before any features are computed
    return AuditReference.of(train, others, extractor, rule=rule, cache=cache).audit(images, labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class AuditReference:
    """Real images with which any number of sets of synthetic images are compared; see `audit`.

    Attributes:
        train: Real images that the generator was trained on.
        held_out: Real images of other patients; may be empty.
        features: (m, d) features of both, training images first.
        search: Finds copies of training images.
        held_out_copies: Held-out images that would count as near copies.
        extractor: Extractor of the features.
        rule: Thresholds of the gate.
        cache: Folder of features.
    """

    train: ImageDataset
    held_out: ImageDataset
    features: Features
    search: CopySearch
    held_out_copies: int
    extractor: Extractor
    rule: GateRule
    cache: Path | None

    @classmethod
    def of(
        cls,
        train: ImageDataset,
        held_out: ImageDataset,
        extractor: Extractor,
        *,
        rule: GateRule = DEFAULT_RULE,
        cache: str | Path | None = None,
    ) -> "AuditReference":
        """Compute the features of the real images, and search among the held-out ones."""
        folder = None if cache is None else Path(cache)
        train_features = extract(train.images, extractor, cache=folder)
        held_out_features = extract(held_out.images, extractor, cache=folder)
        features = np.concatenate([train_features, held_out_features])
        search = CopySearch.build(train, held_out, features, extractor, rule)
        return cls(
            train=train,
            held_out=held_out,
            features=features,
            search=search,
            held_out_copies=search.search(held_out.images).n,
            extractor=extractor,
            rule=rule,
            cache=folder,
        )

    def audit(self, images: ImageSource, labels: Labels) -> Audit:
        """Search for copies among synthetic images, and for traces of who was in training.

        Raises:
            DataError: See `audit`.
            LeakageError: See there.
        """
        train, held_out, rule = self.train, self.held_out, self.rule
        labels = check_comparable(train, held_out, images, labels)
        copies = self.search.search(images)
        overall, classes = self._findings(images, labels, copies)
        blind = self.extractor.name if is_constant(self.features) else ""
        attacks = {} if blind else attacks_to_test(overall, classes, rule)
        untested = describe_untested(classes, attacks, len(held_out), rule, blind)
        privacy = apply_rule(overall.n_copies, len(labels), attacks, rule, untested=untested)
        return Audit(
            extractor=self.extractor.name,
            digest=self.extractor.digest,
            rule=rule,
            overall=overall,
            classes=classes,
            pairs=tuple(self.search.pairs(images, labels, copies)),
            held_out_copies=self.held_out_copies,
            detectable=detectable_share(len(labels)),
            privacy=privacy,
            notes=describe_limitations(len(held_out), self.held_out_copies),
        )

    def _findings(
        self, images: ImageSource, labels: Labels, copies: NearCopies
    ) -> tuple[Findings, tuple[Findings, ...]]:
        """Measure all classes with synthetic images together, and each of them."""
        fake_features = extract(images, self.extractor, cache=self.cache)
        n_train = len(self.train)
        parts = standardized(
            self.features[:n_train], self.features[n_train:], fake_features, by=self.features
        )
        train, held_out = self.train, self.held_out
        sets = (
            AuditedSet(labels=train.labels, groups=train.groups, features=parts[0]),
            AuditedSet(labels=held_out.labels, groups=held_out.groups, features=parts[1]),
            AuditedSet(labels=labels, groups=np.arange(len(labels)), features=parts[2]),
        )
        overall = compute_findings(ALL_CLASSES, *_of_classes(sets, np.unique(labels)), copies.n)
        classes = []
        for label in np.unique(labels):
            n_copies = int(copies.copy[labels == label].sum())
            name = train.class_names[label]
            classes.append(compute_findings(name, *_of_classes(sets, np.array([label])), n_copies))
        return overall, tuple(classes)


def check_comparable(
    train: ImageDataset, held_out: ImageDataset, images: ImageSource, labels: Labels
) -> Labels:
    """Return the labels (n,) as int64 if the three sets of images can be compared.

    Raises:
        DataError: No images, images of another kind than `train`, or unknown labels.
        LeakageError: A patient is both in `train` and in `held_out`.
    """
    check_images(images, name="synthetic images")
    labels = check_labels(labels, len(images))
    for name, part in (("held-out", held_out.images), ("synthetic", images)):
        if (part.shape[1:], part.dtype) != (train.images.shape[1:], train.images.dtype):
            raise DataError(
                f"Expected {name} images like the training images, {train.images.dtype} of shape "
                f"{train.images.shape[1:]}, got {part.dtype} of shape {part.shape[1:]}. Read all "
                "with one size and depth."
            )
    n_classes = len(train.class_names)
    if not len(labels) or not 0 <= labels.min() <= labels.max() < n_classes:
        raise DataError(
            f"Expected at least one synthetic image and labels from 0 to {n_classes - 1}, got "
            f"labels {np.unique(labels).tolist()}."
        )
    both = np.intersect1d(train.groups, held_out.groups)
    if len(both):
        raise LeakageError(
            f"Expected held-out images of other patients, got {len(both)} patients who are in the "
            "training images too. Split by patient: if the generator has memorized such a patient, "
            "the held-out images cannot show it."
        )
    return labels


def attacks_to_test(
    overall: Findings, classes: Sequence[Findings], rule: GateRule
) -> dict[str, Membership]:
    """Return the membership attacks with enough patients to be tested, by name of their classes.

    A single class is tested once, together with all classes.
    """
    candidates = [overall, *classes] if len(classes) > 1 else [overall]
    attacks = {}
    for findings in candidates:
        attack = findings.membership
        if attack is not None and min(attack.n_members, attack.n_others) >= rule.fewest:
            attacks[findings.name] = attack
    return attacks


def describe_untested(
    classes: Sequence[Findings],
    attacks: dict[str, Membership],
    n_held_out: int,
    rule: GateRule,
    blind: str,
) -> str:
    """Describe where membership was not tested, and why; empty where it was tested in all classes.

    Args:
        classes: Findings of each class.
        attacks: Membership attacks that were tested.
        n_held_out: Held-out images.
        rule: Thresholds of the gate.
        blind: Name of the extractor if its features are the same for all real images, else empty.
    """
    if blind:
        return f"because the features of the extractor {blind} are the same for all real images"
    if not n_held_out:
        return "because there are no held-out real images"
    few = f"fewer than {rule.fewest} patients in training, or held out"
    if not attacks:
        return f"({few})"
    untested = [findings.name for findings in classes if findings.name not in attacks]
    if untested and len(classes) > 1:
        return f"in {', '.join(untested)} ({few})"
    return ""


def describe_limitations(n_held_out: int, held_out_copies: int) -> tuple[str, ...]:
    """Describe what makes the search for copies doubtful.

    Args:
        n_held_out: Held-out images.
        held_out_copies: Those that would count as near copies.
    """
    if not held_out_copies:
        return ()
    return (
        f"{held_out_copies} of {n_held_out} held-out real images would count as near copies of "
        "training images: either the same photograph is on both sides, or these images are too "
        "uniform for the rule.",
    )


def _of_classes(
    sets: tuple[AuditedSet, AuditedSet, AuditedSet], labels: Labels
) -> tuple[AuditedSet, AuditedSet, AuditedSet]:
    train, held_out, synthetic = sets
    return train.of_classes(labels), held_out.of_classes(labels), synthetic.of_classes(labels)
