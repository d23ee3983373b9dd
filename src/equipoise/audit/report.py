"""`audit`: compare synthetic images with the real ones that their generator learned from, and with others."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Images, Labels
from equipoise.audit.findings import Findings, Side, find
from equipoise.audit.gate import RULE, Rule, detectable_share, judge
from equipoise.audit.near_copies import CopySearch, Pair
from equipoise.data.dataset import ImageDataset
from equipoise.exceptions import DataError, LeakageError
from equipoise.features.base import Extractor, extract
from equipoise.metrics.memorization import Membership, standardized
from equipoise.validation import check_images, check_labels

EVERYTHING = "all classes"


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Everything found; `facts` gives it as JSON values.

    Attributes:
        extractor: Name of what made the features.
        digest: Its hash; distances of two audits with other digests must not be compared.
        rule: Thresholds of the gate.
        overall: All classes that have synthetic images, together.
        classes: Each of them.
        pairs: Near copies and the most alike pairs of each class, most alike first.
        held_out_copies: Held-out images that would count as near copies of training images.
        detectable: Smallest share of copies of which so many images would have shown one with probability 0.95.
        passed: Whether the images may be released.
        reasons: Why not.
        notes: What limits the findings.
    """

    extractor: str
    digest: str
    rule: Rule
    overall: Findings
    classes: tuple[Findings, ...]
    pairs: tuple[Pair, ...]
    held_out_copies: int
    detectable: float
    passed: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def copies(self) -> tuple[Pair, ...]:
        """The near copies."""
        return tuple(pair for pair in self.pairs if pair.copy)

    def facts(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        return asdict(self)


def audit(
    train: ImageDataset, held_out: ImageDataset | None, images: Images, labels: Labels, extractor: Extractor, *,
    rule: Rule = RULE, cache: Path | None = None,
) -> Audit:  # fmt: skip
    """Look for copies of training images and for traces of who was in training.

    Near copies are searched in the pixels, among all training images, and confirmed in the features. The other
    measures compare images of the same class by distances of features, standardized over the real images.

    Args:
        train: The real images that the generator learned from.
        held_out: Real images of other patients from the same source; None where there are none, and then only
            copies can be found.
        images: (n, c, h, w) synthetic images of the same kind.
        labels: (n,) their classes, indices into the class names of `train`.
        extractor: What makes the features. It must not have learned from `train` more than from `held_out`: a
            network knows its own training images, and its memory would pass for the generator's.
        rule: Thresholds of the gate.
        cache: Folder of features, by content; see `equipoise.features.base.extract`.

    Raises:
        DataError: No images, or images of another kind than `train`.
        LeakageError: A patient is both in `train` and in `held_out`.
    """
    others = train.subset(slice(0, 0)) if held_out is None else held_out
    labels = _check(train, others, images, labels)
    t, h, q = (
        extract(part, extractor, cache=cache) for part in (train.images, others.images, images)
    )
    real = np.concatenate([t, h])
    search = CopySearch.among(train, others, real, extractor, rule)
    found, doubles = search.look(images), search.look(others.images)
    sides = [
        Side(labels=part.labels, groups=part.groups, features=features)
        for part, features in zip((train, others), standardized(t, h, by=real), strict=True)
    ]
    sides.append(
        Side(labels=labels, groups=np.arange(len(labels)), features=standardized(q, by=real)[0])
    )
    overall, *single = _findings(train.class_names, sides, found.copy)
    attacks = dict(_attacks([overall, *single], rule))
    verdict = judge(overall.n_copies, len(labels), attacks, rule)
    return Audit(
        extractor=extractor.name,
        digest=extractor.digest,
        rule=rule,
        overall=overall,
        classes=tuple(single),
        pairs=tuple(search.pairs(images, labels, found)),
        held_out_copies=int(doubles.copy.sum()),
        detectable=detectable_share(len(labels)),
        passed=verdict.passed,
        reasons=verdict.reasons,
        notes=tuple(_notes(len(others), list(attacks), single, int(doubles.copy.sum()), rule)),
    )


def _findings(
    class_names: Sequence[str], sides: Sequence[Side], copy: NDArray[np.bool_]
) -> Iterator[Findings]:
    """Look at all classes that have synthetic images together, then at each."""
    labels = sides[-1].labels
    classes = np.unique(labels)
    for name, scope in [
        (EVERYTHING, classes),
        *((class_names[label], np.array([label])) for label in classes),
    ]:
        train, held_out, synthetic = (side.only(scope) for side in sides)
        yield find(name, train, held_out, synthetic, int(copy[np.isin(labels, scope)].sum()))


def _check(train: ImageDataset, others: ImageDataset, images: Images, labels: Labels) -> Labels:
    check_images(images, name="synthetic images")
    labels = check_labels(labels, len(images))
    for name, part in (("held-out", others.images), ("synthetic", images)):
        if (part.shape[1:], part.dtype) != (train.images.shape[1:], train.images.dtype):
            raise DataError(
                f"Expected {name} images like the training images, {train.images.dtype} of shape "
                f"{train.images.shape[1:]}, got {part.dtype} of shape {part.shape[1:]}. Read all with one size."
            )
    if not len(labels) or not 0 <= labels.min() <= labels.max() < len(train.class_names):
        raise DataError(
            f"Expected a synthetic image or more, labels from 0 to {len(train.class_names) - 1}, got labels "
            f"{np.unique(labels).tolist()}."
        )
    if len(both := np.intersect1d(train.groups, others.groups)):
        raise LeakageError(
            f"{len(both)} patients are both in the training and in the held-out images. Split by patient: one on "
            "both sides hides that the generator knows him."
        )
    return labels


def _attacks(findings: list[Findings], rule: Rule) -> Iterator[tuple[str, Membership]]:
    """Give the memberships to be tested; where one class is all, it is tested once."""
    for found in findings[:1] if len(findings) == 2 else findings:
        attack = found.membership
        if attack is not None and min(attack.n_members, attack.n_others) >= rule.fewest:
            yield found.name, attack


def _notes(
    n_held_out: int, tested: list[str], classes: list[Findings], doubles: int, rule: Rule
) -> Iterator[str]:
    if not n_held_out:
        yield "There are no held-out real images: copies were looked for, but not traces of who was in training."
    elif few := [found.name for found in classes if found.name not in tested and len(classes) > 1]:
        yield (
            f"Too few patients to test who was in training (fewer than {rule.fewest} on a side): {', '.join(few)}."
        )
    if doubles:
        yield (
            f"{doubles} of {n_held_out} held-out real images would count as near copies of training images: either "
            "the same photograph is on both sides, or these images are too uniform for the rule."
        )
