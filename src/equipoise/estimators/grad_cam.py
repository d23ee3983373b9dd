"""Grad-CAM: where in an image a classifier found what speaks for a class.

Source: Selvaraju et al. 2017, "Grad-CAM" (methods 5): alpha_k, the mean over the map of the gradient of the class's
logit with respect to channel k of the last convolutional map A; relu(sum_k alpha_k A_k); enlarged bilinearly.
Different: divided by its maximum, not stretched from minimum to maximum, so that 0 stays "speaks not for the class"
and a share of a map's mass is that of the formula; A is taken behind its ReLU, where one follows.

MONAI's `GradCAM` gives the map upside down (1 is nowhere), for one class in a whole batch, and leaves gradients in
the network; up to that it is the same map, and the reference of the tests.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn.functional import interpolate

from equipoise.arrays import Images, Labels
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.scoring import CHUNK, channels_last
from equipoise.exceptions import DataError
from equipoise.networks.backbones import find_backbone
from equipoise.training.batches import resident, to_unit
from equipoise.training.progress import report
from equipoise.validation import check_images, check_labels

Maps = NDArray[np.float32]  # (n, h, w) in [0, 1]


def grad_cam(classifier: ImageClassifier, images: Images, labels: Labels) -> Maps:
    """Show what in each image speaks for its label.

    Args:
        classifier: A fitted classifier; neither its weights, nor its gradients, nor its mode are changed.
        images: (n, c, h, w) like those of its training.
        labels: (n,) labels it has learned. Its own answers show why it gave them, the truth what it missed.

    Returns:
        (n, h, w) maps whose largest value is 1, or 0 everywhere where nothing speaks for the class.

    Raises:
        NotFittedError: The classifier has not been fitted.
        DataError: Images of another kind, or labels that were not learned.
    """
    images, codes = _checked(classifier, images, labels)
    network, layer = classifier.network_, _last_map_layer(classifier)
    maps = np.empty((len(images), *images.shape[2:]), dtype=np.float32)
    device, rows = (
        next(classifier.network_.parameters()).device,
        max(1, CHUNK // (maps.shape[1] * maps.shape[2])),
    )
    for start in range(0, len(images), rows):
        part = slice(start, start + rows)
        batch = channels_last(to_unit(resident(images[part], device), classifier.span_))
        low = class_maps(network, layer, batch, torch.as_tensor(codes[part], device=device))
        maps[part] = enlarged(low, images.shape[2:]).cpu().numpy()
        report("Grad-CAM", min(start + rows, len(images)), len(images))
    return maps


def map_side(classifier: ImageClassifier) -> tuple[int, int]:
    """Give height and width of the last convolutional map: how fine a Grad-CAM can be."""
    batch = torch.zeros(
        (1, *classifier.shape_), device=next(classifier.network_.parameters()).device
    )
    layer = _last_map_layer(classifier)
    maps = class_maps(classifier.network_, layer, batch, torch.zeros(1, dtype=torch.int64))
    return int(maps.shape[1]), int(maps.shape[2])


def class_maps(network: nn.Module, layer: nn.Module, images: Tensor, codes: Tensor) -> Tensor:
    """Compute relu(sum_k alpha_k A_k) of images (n, c, h, w) in [0, 1] for logits `codes` (n,).

    Args:
        network: A classifier.
        layer: Its layer whose output is the last map A.
        images: (n, c, h, w) in [0, 1].
        codes: (n,) classes 0..k-1.

    Returns:
        (n, h', w') maps, at least 0.
    """
    training = network.training
    network.eval()  # each image by itself: no batch statistics, no dropout
    try:
        with torch.enable_grad(), _last_map(layer) as found:
            logits = network(images)
            chosen = logits.gather(1, codes.to(logits.device)[:, None]).sum()
            (gradient,) = torch.autograd.grad(chosen, found[0])
    finally:
        network.train(training)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * found[0].detach()).sum(dim=1).relu()


def enlarged(maps: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Enlarge maps (n, h', w') to (n, *shape) and divide each by its maximum; a map of zeros stays one."""
    full = interpolate(maps[:, None], size=shape, mode="bilinear", align_corners=False)[:, 0]
    highest = full.amax(dim=(1, 2), keepdim=True)
    return full / torch.where(highest > 0, highest, 1.0)


@contextmanager
def _last_map(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Catch the last map on its way, cut off from the trunk: gradients need not flow through it."""
    found: list[Tensor] = []

    def catch(_layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        found.append(output.detach().requires_grad_())
        return found[0]

    handle = layer.register_forward_hook(catch)
    try:
        yield found
    finally:
        handle.remove()


def _last_map_layer(classifier: ImageClassifier) -> nn.Module:
    return find_backbone(classifier.network).last_map_of(classifier.network_)


def _checked(classifier: ImageClassifier, images: Images, labels: Labels) -> tuple[Images, Labels]:
    """Return the images and the codes of their labels."""
    check_is_fitted(classifier, "network_")
    images, labels = check_images(images), check_labels(labels, len(images))
    if (images.shape[1:], images.dtype) != (classifier.shape_, classifier.dtype_):
        raise DataError(
            f"Expected images like those of the training, {classifier.dtype_} of shape "
            f"{('n', *classifier.shape_)}, got {images.dtype} of shape {images.shape}. Prepare all alike."
        )
    unknown = np.setdiff1d(labels, classifier.classes_)
    if len(unknown):
        raise DataError(
            f"Expected labels that were learned, {classifier.classes_.tolist()}, got {unknown.tolist()} too. "
            "Leave those images out."
        )
    return images, np.searchsorted(classifier.classes_, labels).astype(np.int64)
