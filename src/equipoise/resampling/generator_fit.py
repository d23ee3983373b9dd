"""What the fits of all generators share: watched images, samples, diversity, and the weights that are stored."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from equipoise.arrays import Images, Labels, ValueRange
from equipoise.randomness import make_rng
from equipoise.resampling.base import LabeledImages
from equipoise.training.batches import resident, to_unit
from equipoise.training.chance import isolated_chance
from equipoise.training.collapse import relative_diversity
from equipoise.training.loop import Batch
from equipoise.training.ranges import SYMMETRIC, DataRange

CHUNK = 64  # images sampled at a time; always full, so that an image does not depend on the number requested
N_COMPARED = 64  # images of a class whose diversity is measured
N_WATCHED = 256  # images of a group whose scores are recorded

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, kw_only=True, eq=False)
class FitImages:
    """What a generator learns from, and where.

    Attributes:
        images: (n, c, s, s) in storage type.
        labels: (n,) 0..k-1.
        validation: Real held-out images and labels, recorded but never learned from; None where there are none.
        value_range: The stored values of black and white.
        device: Where to train.
    """

    images: Images
    labels: Labels
    validation: LabeledImages | None
    value_range: ValueRange
    device: torch.device

    def to_unit(self, images: Images) -> Tensor:
        """Move images in storage type to the device, float32 in [0, 1]."""
        return to_unit(resident(images, self.device), self.value_range)

    def fixed_batch(
        self, images: Images, labels: Labels, data_range: DataRange, *, seed: int
    ) -> Batch:
        """Choose up to 256 images at random and map them to the critic's range."""
        rows = make_rng(seed, "watched").permutation(len(images))[:N_WATCHED]
        shown = data_range.into(self.to_unit(images[rows]))
        return shown, torch.as_tensor(labels[rows], device=self.device)


def watched_groups(
    data: FitImages, generated: Callable[[], Batch], data_range: DataRange, *, seed: int
) -> dict[str, Callable[[], Batch]]:
    """Return what returns a batch of each group whose scores are recorded, by the name of the group.

    Args:
        data: The real images.
        generated: Returns the images that the generator makes now from fixed latents.
        data_range: The critic's.
        seed: Of the choice of real images.
    """
    training = data.fixed_batch(data.images, data.labels, data_range, seed=seed)
    groups: dict[str, Callable[[], Batch]] = {
        "training": lambda: training,
        "generated": generated,
    }
    if data.validation is not None and len(data.validation[0]):
        validation = data.fixed_batch(*data.validation, data_range, seed=seed)
        groups["validation"] = lambda: validation
    return groups


def watch_interval(n_steps: int) -> int:
    """Return the steps between two records of a fit: about 20 records, where the history has a row.

    Example:
        >>> watch_interval(2000), watch_interval(50)
        (100, 10)
    """
    return max(10, n_steps // 200 * 10)


@torch.no_grad()
def sample(
    network: nn.Module,
    latents: NDArray[np.float64],
    label: int,
    data_range: DataRange = SYMMETRIC,
    *,
    chunk: int = CHUNK,
) -> Iterator[Tensor]:
    """Generate images of one label from latents (n, d), (at most `chunk`, c, s, s) in [0, 1] at a time, on the CPU."""
    device = next(network.parameters()).device
    labels = torch.full((chunk,), label, device=device)
    for start in range(0, len(latents), chunk):
        part = latents[start : start + chunk]
        filled = np.resize(part, (chunk, part.shape[1])).astype(np.float32)
        images = network(torch.as_tensor(filled, device=device), labels)
        yield data_range.back(images[: len(part)]).float().cpu()


def class_diversity(
    network: nn.Module,
    data: FitImages,
    label: int,
    data_range: DataRange = SYMMETRIC,
    *,
    latent_size: int,
    seed: int,
) -> float:
    """Compare generated with training images of one class; see `collapse.relative_diversity`."""
    rng = make_rng(seed, "compared", label)
    rows = rng.permutation(np.flatnonzero(data.labels == label))[:N_COMPARED]
    latents = rng.standard_normal((N_COMPARED, latent_size))
    generated = torch.cat(list(sample(network, latents, label, data_range)))
    return relative_diversity(generated, data.to_unit(data.images[rows]).cpu())


def stored_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return a network's weights and buffers on the CPU."""
    return {name: tensor.cpu() for name, tensor in network.state_dict().items()}


def restore_network(
    build: Callable[[], Network], weights: Mapping[str, Tensor], device: torch.device
) -> Network:
    """Build a network, load fitted weights into it and return it in evaluation mode.

    The random streams of the caller are left alone.
    """
    with isolated_chance("weights follow"):
        network = build()
    network.load_state_dict(dict(weights))
    return network.to(device).eval()
