"""Which features of a study's images the simple reference is fitted to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.arrays import ValueRange
from equipoise.estimators.frozen.classifier import FrozenClassifier
from equipoise.estimators.frozen.extractor import FrozenExtractor
from equipoise.estimators.frozen.feature_network import PENULTIMATE
from equipoise.estimators.frozen.views import PLAIN
from equipoise.evidence.finished_run import FinishedRun
from equipoise.exceptions import EquipoiseError
from equipoise.features.base import Features, extract
from equipoise.features.choosing import make_extractor
from equipoise.networks.backbones import find_backbone
from equipoise.networks.weight_files import find_file

DEFAULT_NETWORK = "mobilenet_v2"  # where the study's own network has no pretrained weights
# Images times pixels that pass a pretrained network without a graphics card: minutes on one core.
MOST_PIXELS = 12_000 * 128 * 128


@dataclass(frozen=True, kw_only=True)
class ReferenceFeatures:
    """One kind of features.

    Attributes:
        name: A name in `equipoise.results.reference.LABELS`.
        compute: Values of black and white -> features (n, d) of all images of the study.
    """

    name: str
    compute: Callable[[ValueRange], Features]


def reference_features(run: FinishedRun) -> tuple[list[ReferenceFeatures], list[str]]:
    """Choose the features of a study: statistics, and those of a pretrained network.

    The network is that of the baseline where it is pretrained, else `DEFAULT_NETWORK` where its
    weights are on this machine. It sees the images in the size in which the study does (from 128 px
    on). Nothing is downloaded.

    Returns:
        The kinds of features, and a sentence on each that is left out.
    """

    def statistics(span: ValueRange) -> Features:
        images = run.study.images.images
        return extract(images, make_extractor("statistics", span=span), cache=run.features)

    kinds = [ReferenceFeatures(name="statistics", compute=statistics)]
    name, classifier = _frozen_classifier(run)
    problem = _obstacle(run, name, classifier)
    if problem:
        return kinds, [problem]

    def pretrained(span: ValueRange) -> Features:
        images = run.study.images.images
        extractor = FrozenExtractor(
            classifier.settings.features(min(images.shape[2:])),
            shape=images.shape[1:],
            span=span,
            workspace=run.run.workspace,
        )
        return extractor(images, (PLAIN,))[:, 0].astype(np.float64)

    return [*kinds, ReferenceFeatures(name=name, compute=pretrained)], []


def _frozen_classifier(run: FinishedRun) -> tuple[str, FrozenClassifier]:
    """Return the name of the features, and a classifier whose features they are."""
    study = run.study
    _, baseline = study.methods[study.baseline_name].steps[-1]
    if isinstance(baseline, FrozenClassifier):
        return "network", baseline
    settings: dict[str, Any] = baseline.get_params(deep=False)
    pretrained = settings.get("pretrained")
    if pretrained is not None:
        return "network", FrozenClassifier(
            network=settings["network"],
            pretrained=pretrained,
            layers=(PENULTIMATE,),
            device=settings["device"],
        )
    device = settings.get("device", "auto")
    return DEFAULT_NETWORK, FrozenClassifier(
        network=DEFAULT_NETWORK, layers=(PENULTIMATE,), device=device
    )


def _obstacle(run: FinishedRun, name: str, classifier: FrozenClassifier) -> str:
    """Return why the features of a network are not used, as a sentence; empty where they are."""
    shape = run.study.images.images.shape
    if name == DEFAULT_NETWORK:
        official = find_backbone(DEFAULT_NETWORK).weights["imagenet"]
        try:
            file = find_file(official.url)
        except EquipoiseError as error:
            return f"No reference on features of a pretrained network. {error}"
        if file is None:
            return (
                "No reference on features of a pretrained network: the weights of "
                f"{DEFAULT_NETWORK} are not on this machine (`equipoise weights fetch "
                f"{DEFAULT_NETWORK}`)."
            )
    settings = classifier.settings
    try:
        settings.check(min(shape[2:]))
    except EquipoiseError as error:
        return f"No reference on features of a pretrained network. {error}"
    side = settings.features(min(shape[2:])).side
    pixels = shape[0] * (shape[2] * shape[3] if side is None else side**2)
    baseline_is_frozen = isinstance(
        run.study.methods[run.study.baseline_name].steps[-1][1], FrozenClassifier
    )
    on_cpu = settings.features(min(shape[2:])).device == "cpu"
    if pixels > MOST_PIXELS and on_cpu and not baseline_is_frozen:
        return (
            f"No reference on features of a pretrained network: {shape[0]:,} images take too long "
            f"without a graphics card (at most {MOST_PIXELS * shape[0] // pixels:,} of this size)."
        )
    return ""
