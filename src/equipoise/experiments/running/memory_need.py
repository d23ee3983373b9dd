"""What a method needs of memory: one step of everything that trains is measured before the start.

Classifiers and segmenters are measured on torch's meta device, on which nothing is computed, at
their size. Generators train one step of small batches of images of at most `LARGEST_TRIED` px.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from torch import nn

from equipoise.data.dataset import ImageDataset
from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.cascade import CascadeSegmenter
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.first_stage import build_network
from equipoise.estimators.frozen.classifier import FrozenClassifier
from equipoise.estimators.frozen.extractor import BATCH, BATCH_ELSEWHERE
from equipoise.estimators.frozen.feature_network import RANDOM, FeatureNetwork
from equipoise.estimators.segmenter import Segmenter
from equipoise.experiments.running.trained_parts import batch_sizes, parts_of
from equipoise.experiments.study import Study
from equipoise.image_rows import most_copied
from equipoise.networks.backbones import build, find_backbone
from equipoise.resampling.base import Oversampler
from equipoise.training.chance import isolated_chance
from equipoise.training.devices import resolve_device
from equipoise.training.progress import listening
from equipoise.training.tensor_memory import TensorMemory

COPIES_OF_WEIGHTS = 6  # weights, gradients, two moments, averaged weights, best weights
LARGEST_TRIED = 128  # px
TRIED_BATCHES = (16, 32)  # images in a step of a generator; with few, weights hide the slope
TRIED_PER_CLASS = 4  # images
BYTES_PER_VOXEL = 40  # of the largest scan: probabilities of a cascade, distances of its measures
MARGIN = 1.3  # for what kernels allocate: 1 % (DenseNet121) to 40 % (DCGAN) was seen on a CPU


@dataclass(frozen=True, kw_only=True)
class StepNeed:
    """Memory of one step of a method, in bytes.

    Attributes:
        fixed: What does not depend on the number of images in a pass.
        per_image: What each image of a pass adds.
        batch_size: Images in a pass.
        divisible: Whether the batch can be passed through the network in pieces.
    """

    fixed: float
    per_image: float
    batch_size: int
    divisible: bool = False

    def bytes_at(self, piece_size: int | None = None) -> float:
        """Return the need where at most `piece_size` images pass at once, if they can be fewer."""
        n_images = self.batch_size
        if self.divisible and piece_size is not None:
            n_images = min(n_images, piece_size)
        return MARGIN * (self.fixed + self.per_image * n_images)


@dataclass(frozen=True, kw_only=True)
class MethodNeed:
    """Memory of a cell of a method.

    Attributes:
        data: Bytes of the images and features that a cell holds.
        steps: Needs of its steps, one after the other.
    """

    data: float
    steps: tuple[StepNeed, ...]

    def bytes_at(self, piece_size: int | None = None) -> float:
        """Return the largest need of a cell; see `StepNeed.bytes_at`."""
        return self.data + max((step.bytes_at(piece_size) for step in self.steps), default=0.0)


def method_needs(study: Study, *, generators: bool = True) -> dict[str, MethodNeed]:
    """Measure what each method of a study of images needs.

    Equal steps are measured once; a step that cannot be measured counts as nothing: its cell will
    meet the same error, which is stored and shown there.

    Args:
        study: The study.
        generators: Whether to measure them too, which takes seconds for each.
    """
    measured: dict[str, StepNeed] = {}
    needs = {}
    for name, method in study.methods.items():
        steps = []
        for _, step in method.steps:
            for part, side in parts_of(step, study.images.images.shape[2]):
                key = f"{side} {_key_of(part)}"
                if key not in measured:
                    measured[key] = _measured_or_nothing(part, study, side, generators=generators)
                steps.append(measured[key])
        needs[name] = MethodNeed(data=data_bytes(study, method), steps=tuple(steps))
    return needs


def volume_needs(study: Study) -> dict[str, MethodNeed]:
    """Measure what each method of a study of volumes needs.

    The images stay on disk; a cell holds the label maps of its test patients and works on one scan
    at a time.
    """
    voxels = np.array([np.prod(volume.shape) for volume in study.volumes.volumes])
    n_tested = max(int(voxels[split.test].sum()) for split in study.splits)
    data = float(n_tested + BYTES_PER_VOXEL * voxels.max())
    needs = {}
    for name, method in study.methods.items():
        segmenter = method.steps[-1][1]
        stages = [segmenter]
        if isinstance(segmenter, CascadeSegmenter):
            stages = [segmenter.detect, segmenter.divide]
        steps = [
            segmenter_need(stage, study.volumes) for stage in stages if isinstance(stage, Segmenter)
        ]
        needs[name] = MethodNeed(data=data, steps=tuple(steps))
    return needs


def data_bytes(study: Study, method: Pipeline) -> float:
    """Return the bytes of the images that a cell of a method copies, on the largest split.

    A resampler returns new arrays, which exist beside their parts while they are joined. Sets of
    more than `most_copied()` bytes are not copied; see `equipoise.image_rows`.
    """
    per_image = study.images.images[0].nbytes
    largest = 0.0
    for split in study.splits:
        copies = [len(split.train), len(split.validation), len(split.test)]
        if len(method.steps) > 1:
            counts = np.bincount(study.images.labels[split.train])
            copies += 2 * [int(np.count_nonzero(counts) * counts.max())]
        sizes = [n_images * per_image for n_images in copies]
        largest = max(largest, float(sum(size for size in sizes if size <= most_copied())))
    return largest


def _key_of(step: Any) -> str:
    """Return what the memory of a step depends on, as text."""
    if isinstance(step, ImageClassifier):
        names = ("network", "pretrained", "pretraining", "batch_size", "mixing", "precision")
        return repr([getattr(step, name) for name in names])
    if isinstance(step, FrozenClassifier):
        return repr(step.preparation)
    return repr(step)


def _measured_or_nothing(step: Any, study: Study, side: int, *, generators: bool) -> StepNeed:
    nothing = StepNeed(fixed=0.0, per_image=0.0, batch_size=1)
    try:
        with isolated_chance("memory"):
            if isinstance(step, FrozenClassifier):
                return frozen_need(step, study.images)
            if isinstance(step, ImageClassifier):
                return classifier_need(step, study.images)
            if isinstance(step, Oversampler) and batch_sizes(step) and generators:
                return generator_need(step, study.images, side)
    except Exception:  # noqa: BLE001 (a network that the meta device cannot run: its cell will show what is wrong, if anything is)
        return nothing
    return nothing


def classifier_need(classifier: ImageClassifier, dataset: ImageDataset) -> StepNeed:
    """Measure a training step of a classifier on the meta device, with two and with four images."""
    channels, height, width = dataset.images.shape[1:]
    with torch.device("meta"):
        network = build_network(
            find_backbone(classifier.network),
            pretrained=classifier.pretrained,
            channels=channels,
            n_classes=len(dataset.class_names),
            side=min(height, width),
            loss=classifier.loss,
        )

    return training_need(
        network, (channels, height, width), batch_size=classifier.batch_size, divisible=True
    )


def segmenter_need(segmenter: Segmenter, dataset: VolumeDataset) -> StepNeed:
    """Measure a training step of a segmenter on the meta device, with two and with four patches."""
    settings = segmenter.settings
    channels = len(dataset.modalities)
    with torch.device("meta"):
        network = settings.architecture.build(channels, dataset.k, settings.width)
    shape = (channels, settings.patch_size, settings.patch_size)
    return training_need(network, shape, batch_size=settings.batch_size)


def training_need(
    network: nn.Module, shape: tuple[int, int, int], *, batch_size: int, divisible: bool = False
) -> StepNeed:
    """Measure a training step of a network on the meta device, with two and with four images.

    Args:
        network: On the meta device.
        shape: (c, h, w) of an image.
        batch_size: Images in a step.
        divisible: See `StepNeed`.
    """

    def step(n_images: int) -> None:
        images = torch.empty((n_images, *shape), device="meta")
        images = images.contiguous(memory_format=torch.channels_last)
        network(images).sum().backward()
        for parameter in network.parameters():
            parameter.grad = None

    weights = weight_bytes(network)
    two, four = _peak(step, 2), _peak(step, 4)
    per_image = max(0.0, (four - two) / 2)
    return StepNeed(
        fixed=COPIES_OF_WEIGHTS * weights + max(0.0, two - 2 * per_image - weights),
        per_image=per_image,
        batch_size=batch_size,
        divisible=divisible,
    )


def frozen_need(classifier: FrozenClassifier, dataset: ImageDataset) -> StepNeed:
    """Measure a pass of a frozen network on the meta device, and the features of all images."""
    shape = dataset.images.shape[1:]
    extractors: list[FeatureNetwork] = []
    for description in classifier.settings.features(min(shape[1:])).parts:
        backbone = find_backbone(description.network)
        side = description.side or min(shape[1:])
        with torch.device("meta"):
            if description.pretrained == RANDOM:
                network = build(backbone, channels=shape[0], n_classes=2, side=side)
            else:
                network = backbone.build_pretrained(2, side, description.pretrained)
            extractor = FeatureNetwork(
                backbone, network, layers=description.layers, side=description.side, shape=shape
            )
        extractors.append(extractor)

    def extract(n_images: int) -> None:
        with torch.no_grad():
            for extractor in extractors:
                extractor(torch.empty((n_images, *shape), device="meta"))

    n_views = len(classifier.settings.views)
    dimension = sum(extractor.dimension for extractor in extractors)
    features = 2 * 4 * len(dataset) * n_views * dimension  # float32, once copied
    batch_size = BATCH.get(resolve_device(classifier.device).type, BATCH_ELSEWHERE)
    return StepNeed(
        fixed=sum(map(weight_bytes, extractors)) + features,
        per_image=_peak(extract, 2) / 2,
        batch_size=batch_size,
    )


def generator_need(generator: Oversampler, dataset: ImageDataset, side: int) -> StepNeed:
    """Train one step of a generator on 16 and on 32 images, halved if they are large.

    The memory of larger images is extrapolated: activations grow with the number of pixels, and
    each doubling of the side adds at most the weights of a smaller network again.
    """
    tried, n_doublings = side, 0
    while tried > LARGEST_TRIED:
        tried, n_doublings = -(-tried // 2), n_doublings + 1
    few, more = TRIED_BATCHES
    peaks = [_peak_of_step(generator, dataset, tried, n_images) for n_images in (few, more)]
    per_image = max(0.0, (peaks[1] - peaks[0]) / (more - few))
    fixed = max(0.0, peaks[1] - per_image * more)
    return StepNeed(
        fixed=fixed * (1 + n_doublings),
        per_image=per_image * (side / tried) ** 2,
        batch_size=max(batch_sizes(generator)),
    )


def weight_bytes(network: nn.Module) -> float:
    """Return the bytes of the parameters and buffers of a network."""
    tensors = [*network.parameters(), *network.buffers()]
    return float(sum(tensor.numel() * tensor.element_size() for tensor in tensors))


def _peak(function: Callable[[int], None], n_images: int) -> float:
    """Return the peak of the tensors of a function of a number of images."""
    with TensorMemory() as memory:
        function(n_images)
    return float(memory.peak)


def _peak_of_step(
    generator: Oversampler, dataset: ImageDataset, side: int, batch_size: int
) -> float:
    """Return the peak of the tensors of a fit until its first step ends, on images of a side."""
    settings: dict[str, Any] = {}
    for name, value in generator.get_params(deep=True).items():
        last = name.split("__")[-1]
        if last == "batch_size":
            settings[name] = batch_size
        elif last.endswith("_steps") and last != "n_steps" and isinstance(value, int):
            settings[name] = 1  # those of a warm start
        elif last.endswith("_epochs") and last != "n_epochs":
            settings[name] = None
        elif last == "device":
            settings[name] = "cpu"
    rows, totals = [], {}
    for label in np.unique(dataset.labels).tolist():
        of_class = np.flatnonzero(dataset.labels == label)
        rows.append(of_class[: max(TRIED_PER_CLASS, generator.minimum)])
        totals[label] = len(rows[-1]) + 1
    sample = dataset.subset(np.concatenate(rows))
    index = np.linspace(0, sample.images.shape[2] - 1, side).round().astype(np.intp)
    images = np.ascontiguousarray(sample.images[:, :, index][:, :, :, index])
    copy = clone(generator).set_params(**settings, sampling_strategy=totals)
    with TensorMemory() as memory, suppress(_StepDoneError), listening(_stop_after_step):
        copy.fit(images, sample.labels)
    return float(memory.peak)


class _StepDoneError(Exception):
    """The step that was to be measured is done."""


def _stop_after_step(name: str, _step: int, _n_steps: int) -> None:
    """End a fit after the first step of its generator; one of a warm start goes on."""
    if not name.endswith("autoencoder"):
        raise _StepDoneError
