"""What the fits of all generators share: batches, watched images, samples, diversity, weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from equipoise.arrays import LabeledImages, Labels, ValueRange
from equipoise.image_rows import ImageSource
from equipoise.randomness import make_rng
from equipoise.training.batches import (
    BATCH_SAMPLERS,
    BatchSampler,
    Pool,
    ResidentBatches,
    resident,
    to_unit,
)
from equipoise.training.chance import isolated_chance
from equipoise.training.collapse import relative_diversity
from equipoise.training.hooks import WatchScores
from equipoise.training.loop import Batch
from equipoise.training.ranges import SYMMETRIC, DataRange

CHUNK = 64  # images sampled at a time; always full, so that none depends on the number requested
N_COMPARED = 64  # images of a class whose diversity is measured
N_WATCHED = 256  # images of a group whose scores are recorded

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, kw_only=True, eq=False)
class FitImages:
    """What a generator learns from, and where.

    Attributes:
        images: (n, c, s, s) in storage type.
        labels: (n,) 0..k-1.
        validation: Real held-out images and labels, recorded but never learned from; None where
            there are none.
        value_range: The stored values of black and white.
        device: Where to train.
    """

    images: ImageSource
    labels: Labels
    validation: LabeledImages | None
    value_range: ValueRange
    device: torch.device

    def to_unit(self, images: ImageSource) -> Tensor:
        """Move images in storage type to the device, float32 in [0, 1]."""
        return to_unit(resident(images, self.device), self.value_range)

    def fixed_batch(
        self, images: ImageSource, labels: Labels, data_range: DataRange, *, seed: int
    ) -> Batch:
        """Choose up to 256 images at random and map them to the critic's range."""
        rows = make_rng(seed, "watched").permutation(len(images))[:N_WATCHED]
        shown = data_range.into(self.to_unit(images[rows]))
        return shown, torch.as_tensor(labels[rows], device=self.device)

    def batches(self, sampler: BatchSampler) -> ResidentBatches:
        """Return the batches of a fit, with the rows that `sampler` chooses."""
        return ResidentBatches(
            self.images, self.labels, sampler, span=self.value_range, device=self.device
        )


def batch_rows(
    data: FitImages, sampler: str, *, batch_size: int, n_batches: int, seed: int
) -> BatchSampler:
    """Return what chooses the rows of a batch.

    Args:
        data: The images.
        sampler: A name in `BATCH_SAMPLERS`.
        batch_size: Rows of a batch.
        n_batches: Of the whole fit.
        seed: Of the choice.
    """
    pool = Pool(labels=data.labels, batch_size=batch_size, n_steps=n_batches, seed=seed)
    return BATCH_SAMPLERS[sampler](pool)


def watch_scores(
    data: FitImages,
    critic: nn.Module,
    average: nn.Module,
    fakes: Callable[[int], tuple[Tensor, Tensor]],
    data_range: DataRange,
    *,
    n_steps: int,
    seed: int,
    name: str,
) -> WatchScores:
    """Return the hook that records a critic's scores of training, generated and validation images.

    Args:
        data: The real images.
        critic: Whose scores.
        average: The averaged generator.
        fakes: A number -> latents and labels of as many fakes.
        data_range: The critic's.
        n_steps: Of the fit.
        seed: Of the fit.
        name: Of the fit, for its random streams.
    """
    with isolated_chance(seed, name, "watched"):
        latent, labels = fakes(CHUNK)
    training = data.fixed_batch(data.images, data.labels, data_range, seed=seed)
    groups: dict[str, Callable[[], Batch]] = {
        "training": lambda: training,
        "generated": lambda: (average(latent, labels), labels),
    }
    if data.validation is not None and len(data.validation[0]):
        validation = data.fixed_batch(*data.validation, data_range, seed=seed)
        groups["validation"] = lambda: validation
    return WatchScores(critic, groups, every=watch_interval(n_steps))


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
    """Generate images of one label, (at most `chunk`, c, s, s) in [0, 1] at a time, on the CPU."""
    device = next(network.parameters()).device
    labels = torch.full((chunk,), label, device=device)
    for start in range(0, len(latents), chunk):
        part = latents[start : start + chunk]
        filled = np.resize(part, (chunk, part.shape[1])).astype(np.float32)
        images = network(torch.as_tensor(filled, device=device), labels)
        yield data_range.back(images[: len(part)]).float().cpu()


def class_diversities(
    network: nn.Module,
    data: FitImages,
    probabilities: Sequence[float],
    data_range: DataRange = SYMMETRIC,
    *,
    latent_size: int,
    seed: int,
) -> list[float]:
    """Compare generated with training images, class by class; see `collapse.relative_diversity`.

    Args:
        network: The generator.
        data: The real images.
        probabilities: (k,) how often a fake had each label; the result is 1 for a label that none
            had.
        data_range: The generator's.
        latent_size: Length of the latent.
        seed: Of images and latents.
    """
    diversities = [1.0] * len(probabilities)
    for label, probability in enumerate(probabilities):
        if probability > 0:
            rng = make_rng(seed, "compared", label)
            rows = rng.permutation(np.flatnonzero(data.labels == label))[:N_COMPARED]
            latents = rng.standard_normal((N_COMPARED, latent_size))
            generated = torch.cat(list(sample(network, latents, label, data_range)))
            real = data.to_unit(data.images[rows]).cpu()
            diversities[label] = relative_diversity(generated, real)
    return diversities


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
