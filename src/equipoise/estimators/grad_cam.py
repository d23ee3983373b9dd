"""Grad-CAM: the regions of an image from which a classifier infers a class.

Source: Selvaraju et al. (2017), Eq. 1 and 2: alpha_k, the mean over the map of the gradient of the
class's logit with respect to channel k of the last convolutional map A; relu(sum_k alpha_k A_k);
enlarged bilinearly. Differences: the result is divided by its maximum, not stretched from minimum
to maximum, so that 0 remains "no evidence for the class" and shares of a map's mass are those of
the formula; A is taken behind its ReLU, where one follows.

MONAI's `GradCAM` returns the map inverted (1 means nowhere), for one class per batch, and leaves
gradients in the network; otherwise it is the same map, and the reference of the tests.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn.functional import interpolate

from equipoise.arrays import Labels
from equipoise.estimators.frozen.head import FrozenNetwork
from equipoise.estimators.loading import AnyClassifier
from equipoise.estimators.scoring import CHUNK, channels_last, evaluating
from equipoise.exceptions import DataError
from equipoise.image_rows import ImageSource
from equipoise.networks.backbones import find_backbone
from equipoise.training.batches import resident, to_unit
from equipoise.training.progress import report
from equipoise.validation import check_labels

Maps = NDArray[np.float32]  # (n, h, w) in [0, 1]


def grad_cam(classifier: AnyClassifier, images: ImageSource, labels: Labels) -> Maps:
    """Return maps of the evidence for the label of each image.

    Args:
        classifier: A fitted classifier; its weights, gradients and mode stay unchanged. That on
            frozen features is explained without its views, for the image itself.
        images: (n, c, h, w) like those of its training.
        labels: (n,) labels of its training: its predictions show why it made them, the true labels
            what it missed.

    Returns:
        (n, h, w) maps with maximum 1, or 0 everywhere without any evidence for the class.

    Raises:
        NotFittedError: The classifier has not been fitted.
        SettingError: Its network has no last map, as transformers; see `can_map`.
        DataError: Images of another kind, or unknown labels.

    Example:
        >>> from equipoise.estimators.classifier import ImageClassifier
        >>> labels = np.repeat([0, 1], [12, 4])
        >>> images = (100 * labels[:, None, None, None] * np.ones((1, 16, 16))).astype(np.uint8)
        >>> classifier = ImageClassifier(n_steps=2, batch_size=4, device="cpu").fit(images, labels)
        >>> grad_cam(classifier, images, labels).shape
        (16, 16, 16)
    """
    (maps,) = grad_cams([classifier], images, [labels])
    return maps


def grad_cams(
    classifiers: Sequence[AnyClassifier], images: ImageSource, labels: Sequence[Labels]
) -> list[Maps]:
    """Return the maps of several classifiers: of one, or of heads on the same frozen network.

    The images pass the frozen network once for all heads.

    Args:
        classifiers: See `grad_cam`; several need an equal `preparation` and `span_`.
        images: (n, c, h, w) like those of their training.
        labels: (n,) for each classifier.

    Raises:
        NotFittedError: See `grad_cam`.
        SettingError: See there.
        DataError: See there.

    See Also:
        `grad_cam`: of any one classifier, with an example.
    """
    first = classifiers[0]
    check_is_fitted(first, "network_")
    images = first.check_images(images)
    codes = []
    for classifier, its_labels in zip(classifiers, labels, strict=True):
        codes.append(check_codes(classifier, its_labels, len(images)))
    trunk: nn.Module = first.network_
    heads: Sequence[nn.Module] = [nn.Identity()]
    if len(classifiers) > 1:
        networks = [c.network_ for c in classifiers if isinstance(c.network_, FrozenNetwork)]
        trunk, heads = networks[0].features, [network.head for network in networks]
    device = next(trunk.parameters()).device
    maps = [np.empty((len(images), *images.shape[2:]), dtype=np.float32) for _ in classifiers]
    rows = max(1, CHUNK // (images.shape[2] * images.shape[3]))
    for start in range(0, len(images), rows):
        part = slice(start, start + rows)
        batch = channels_last(to_unit(resident(images[part], device), first.span_))
        codes_of_batch = [torch.as_tensor(its_codes[part], device=device) for its_codes in codes]
        coarse = maps_of_heads(trunk, heads, first.last_map_, batch, codes_of_batch)
        for its_maps, its_coarse in zip(maps, coarse, strict=True):
            its_maps[part] = enlarged(its_coarse, images.shape[2:]).cpu().numpy()
        report("Grad-CAM", min(start + rows, len(images)), len(images))
    return maps


def check_codes(classifier: AnyClassifier, labels: Labels, n: int) -> Labels:
    """Return the codes (n,) of labels of the training.

    Raises:
        DataError: Unknown labels, or another number of them.
    """
    labels = check_labels(labels, n)
    unknown = np.setdiff1d(labels, classifier.classes_)
    if len(unknown):
        raise DataError(
            f"Expected labels among those of the training, {classifier.classes_.tolist()}, got "
            f"{unknown.tolist()} too. Leave those images out."
        )
    return np.searchsorted(classifier.classes_, labels).astype(np.int64)


def can_map(classifier: AnyClassifier) -> bool:
    """Return whether the network of a classifier ends in a map of the image."""
    network = classifier.network
    first = network.split("+")[0] if isinstance(network, str) else network  # of several networks
    return find_backbone(first).last_map is not None


def map_side(classifier: AnyClassifier) -> tuple[int, int]:
    """Return height and width of the last convolutional map, the resolution of Grad-CAM."""
    device = next(classifier.network_.parameters()).device
    batch = torch.zeros((1, *classifier.shape_), device=device)
    layer = classifier.last_map_
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
    (maps,) = maps_of_heads(network, [nn.Identity()], layer, images, [codes])
    return maps


def maps_of_heads(
    trunk: nn.Module,
    heads: Sequence[nn.Module],
    layer: nn.Module,
    images: Tensor,
    codes: Sequence[Tensor],
) -> list[Tensor]:
    """Compute the maps of several heads on one trunk, which the images pass once.

    Args:
        trunk: Images to features.
        heads: Features to logits.
        layer: See `class_maps`; a layer of the trunk.
        images: See there.
        codes: (n,) classes for each head.

    Returns:
        (n, h', w') maps, at least 0, for each head.
    """
    maps = []
    # each image by itself: no batch statistics, no dropout
    everything = nn.ModuleList([trunk, *heads])
    with evaluating(everything), torch.enable_grad(), _detached_output(layer) as outputs:
        features = trunk(images)
        for head, its_codes in zip(heads, codes, strict=True):
            logits = head(features)
            total = logits.gather(1, its_codes.to(logits.device)[:, None]).sum()
            (gradient,) = torch.autograd.grad(total, outputs[0], retain_graph=True)
            alpha = gradient.mean(dim=(2, 3), keepdim=True)  # (n, channels, 1, 1)
            maps.append((alpha * outputs[0].detach()).sum(dim=1).relu())
    return maps


def enlarged(maps: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Enlarge maps (n, h', w') to (n, *shape) and divide each by its maximum; zeros stay zeros."""
    full = interpolate(maps[:, None], size=shape, mode="bilinear", align_corners=False)[:, 0]
    highest = full.amax(dim=(1, 2), keepdim=True)
    return full / torch.where(highest > 0, highest, 1.0)


@contextmanager
def _detached_output(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Detach the output of a layer, so that gradients stop there, and collect it in a list."""
    outputs: list[Tensor] = []

    def detach(_layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        outputs.append(output.detach().requires_grad_())
        return outputs[0]

    handle = layer.register_forward_hook(detach)
    try:
        yield outputs
    finally:
        handle.remove()
