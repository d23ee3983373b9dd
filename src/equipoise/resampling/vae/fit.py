"""Train a variational autoencoder on all training images, or load the finished one."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise import __version__
from equipoise.arrays import ValueRange, content_key
from equipoise.image_rows import ImageSource
from equipoise.networks.vae import VAE, VAEDesign, build_vae
from equipoise.randomness import make_rng
from equipoise.resampling.fit_cache import Fitted, Slot
from equipoise.resampling.generator_fit import restore_network, stored_weights, watch_interval
from equipoise.resampling.vae.plan import VAEPlan
from equipoise.training.augmentation import augmented
from equipoise.training.batches import Pool, ResidentBatches, natural, resident, to_unit
from equipoise.training.chance import isolated_chance
from equipoise.training.devices import autocast
from equipoise.training.loop import History, train
from equipoise.training.optimizers import make_optimizer, make_schedule
from equipoise.training.variational import (
    RECONSTRUCTIONS,
    VariationalStep,
    active_cells,
    root_mean_square,
)

CHUNK = 32  # images at a time; always full, so that none depends on the number requested
N_WATCHED = 128  # training and held-out images whose reconstruction is recorded
WARMUP = 0.1  # share of the steps over which beta grows


def fit_vae(
    plan: VAEPlan,
    images: ImageSource,
    validation: ImageSource | None,
    *,
    device: torch.device,
    workspace: Path | None,
) -> Fitted:
    """Load the finished fit of the same content, or train (resuming from a checkpoint).

    Args:
        plan: The settings.
        images: (n, c, s, s) in storage type, of all classes.
        validation: Real held-out images, recorded but never learned from.
        device: Where to train.
        workspace: Folder of finished fits and checkpoints.

    Returns:
        The network's tensors, and {"rows": of its history}.

    Raises:
        DivergedError: A loss became NaN or infinite.
    """
    slot = Slot(workspace, "vae", content_key(plan, images, __version__))
    return slot.load() or _train(plan, images, validation, device, slot)


def restore_vae(design: VAEDesign, tensors: Mapping[str, Tensor], device: torch.device) -> VAE:
    """Build a fitted network, in evaluation mode."""
    return restore_network(lambda: build_vae(design), tensors, device)


@torch.no_grad()
def encode(network: VAE, images: ImageSource, span: ValueRange) -> tuple[Tensor, Tensor]:
    """Map images in storage type to mean and log variance, (n, *latent_shape), on the CPU."""
    device = next(network.parameters()).device
    means, log_variances = [], []
    for chunk in _full_chunks(images):
        mean, log_variance = network.encode(to_unit(resident(chunk, device), span))
        means.append(mean)
        log_variances.append(log_variance)
    n = len(images)
    return torch.cat(means)[:n].cpu(), torch.cat(log_variances)[:n].cpu()


@torch.no_grad()
def decode(network: VAE, latents: Tensor) -> Tensor:
    """Map latents (n, ...) to images (n, c, s, s) in [0, 1], on the CPU.

    Each latent may have any shape with as many numbers as the network's latent map.
    """
    device = next(network.parameters()).device
    images = []
    for chunk in _full_chunks(latents.numpy()):
        maps = torch.as_tensor(chunk, device=device).view(-1, *network.latent_shape)
        images.append(torch.sigmoid(network.decode(maps)))
    return torch.cat(images)[: len(latents)].cpu()


class WatchReconstruction:
    """A hook that records the error of reconstructions and the share of active cells.

    {group}_error is the root mean square difference in [0, 1] of images decoded from their mean;
    {group}_active is `active_cells`. Where the error of held-out images rises while that of
    training images falls, the network memorizes. It draws no random numbers and changes nothing.
    """

    def __init__(self, network: VAE, groups: Mapping[str, Tensor], *, every: int) -> None:
        self.network = network
        self.groups = groups
        self.every = every

    @torch.no_grad()
    def __call__(self, done: int, history: History) -> None:
        """Record where due."""
        if done % self.every:
            return
        self.network.eval()
        for name, images in self.groups.items():
            mean, _ = self.network.encode(images)
            error = root_mean_square(self.network.decode(mean), images)
            history.add(done, {f"{name}_error": error, f"{name}_active": active_cells(mean)})
        self.network.train()


def _train(
    plan: VAEPlan,
    images: ImageSource,
    validation: ImageSource | None,
    device: torch.device,
    slot: Slot,
) -> Fitted:
    with isolated_chance(plan.seed, "vae", "start"):
        network = build_vae(plan.design).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = make_optimizer("adam", network.parameters(), learning_rate=plan.learning_rate)
    schedule = make_schedule("cosine", optimizer, plan.n_steps)
    step = VariationalStep(
        network=network,
        optimizer=optimizer,
        schedule=schedule,
        reconstruction=RECONSTRUCTIONS[plan.reconstruction],
        beta=plan.beta,
        warmup=round(WARMUP * plan.n_steps),
        autocast=autocast(plan.precision, device),
    )
    unlabeled = np.zeros(len(images), dtype=np.int64)
    pool = Pool(labels=unlabeled, batch_size=plan.batch_size, n_steps=plan.n_steps, seed=plan.seed)
    batches = ResidentBatches(
        images, unlabeled, natural(pool), span=plan.value_range, device=device
    )
    checkpoint = slot.checkpoint(
        {"network": network, "optimizer": optimizer, "schedule": schedule, "step": step}
    )
    history = train(
        step,
        augmented(batches, plan.augmentation),
        n_steps=plan.n_steps,
        seed=plan.seed,
        hooks=[_watch(plan, network, images, validation, device)],
        checkpoint=checkpoint,
        history=History(advice=plan.advice),
        name="vae",
    )
    fitted = stored_weights(network), {"rows": history.rows}
    slot.store(fitted, checkpoint)
    return fitted


def _watch(
    plan: VAEPlan,
    network: VAE,
    images: ImageSource,
    validation: ImageSource | None,
    device: torch.device,
) -> WatchReconstruction:
    groups: dict[str, Tensor] = {}
    for name, group in (("training", images), ("validation", validation)):
        if group is not None and len(group):
            rows = make_rng(plan.seed, "watched").permutation(len(group))[:N_WATCHED]
            groups[name] = to_unit(resident(group[rows], device), plan.value_range)
    return WatchReconstruction(network, groups, every=watch_interval(plan.n_steps))


def _full_chunks(array: ImageSource) -> Iterator[NDArray[Any]]:
    """Walk the first axis, `CHUNK` rows at a time; rows are repeated where too few are left."""
    for start in range(0, len(array), CHUNK):
        part = array[start : start + CHUNK]
        yield np.resize(part, (CHUNK, *part.shape[1:]))
