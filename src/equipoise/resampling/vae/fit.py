"""Train a variational autoencoder on all training images, or find the one that was trained on them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equipoise import __version__
from equipoise.arrays import Images, ValueRange, fingerprint
from equipoise.networks.vae import VAE, VAEDesign, build_vae
from equipoise.randomness import make_rng
from equipoise.resampling.fit_cache import Fitted, Slot
from equipoise.resampling.vae.plan import VAEPlan
from equipoise.training.augmentation import augmented
from equipoise.training.batches import Pool, ResidentBatches, natural, resident, to_unit
from equipoise.training.chance import isolated_chance
from equipoise.training.devices import autocast
from equipoise.training.loop import Batches, History, train
from equipoise.training.optimizers import make_optimizer, make_schedule
from equipoise.training.variational import (
    RECONSTRUCTIONS,
    VariationalStep,
    active_cells,
    root_mean_square,
)

CHUNK = 32  # images encoded or decoded at a time; always full, so that none depends on how many are asked for
N_WATCHED = 128  # training and held-out images whose reconstruction is watched
WARMUP = 0.1  # part of the steps over which beta grows


def fit_vae(
    plan: VAEPlan,
    images: Images,
    held: Images | None,
    *,
    device: torch.device,
    workspace: Path | None,
) -> Fitted:
    """Find the finished fit of the same content in the workspace, or train (going on from a checkpoint).

    Args:
        plan: The settings.
        images: (n, c, s, s) in storage type, of all classes.
        held: Real held-out images; only watched.
        device: Where to train.
        workspace: Folder of finished fits and checkpoints.

    Returns:
        The network's tensors, and {"rows": of its history}.

    Raises:
        DivergedError: A loss became NaN or infinite.
    """
    slot = Slot(workspace, "vae", fingerprint(plan, images, __version__))
    return slot.load() or _train(plan, images, held, device, slot)


def restore_vae(design: VAEDesign, tensors: Mapping[str, Tensor], device: torch.device) -> VAE:
    """Build a fitted network, in eval mode."""
    with isolated_chance("weights follow"):
        network = build_vae(design)
    network.load_state_dict(dict(tensors))
    return network.to(device).eval()


@torch.no_grad()
def encode(network: VAE, images: Images, span: ValueRange) -> tuple[Tensor, Tensor]:
    """Map images in storage type to mean and log variance, (n, *latent_shape), on the processor."""
    device = next(network.parameters()).device
    parts = [network.encode(to_unit(resident(chunk, device), span)) for chunk in _chunks(images)]
    mean, log_variance = (torch.cat(part)[: len(images)].cpu() for part in zip(*parts, strict=True))
    return mean, log_variance


@torch.no_grad()
def decode(network: VAE, latents: Tensor) -> Tensor:
    """Map latents (n, ...) of any shape with enough numbers to images (n, c, s, s) in [0, 1], on the processor."""
    device = next(network.parameters()).device
    chunks = (torch.as_tensor(chunk, device=device) for chunk in _chunks(latents.numpy()))
    parts = [
        torch.sigmoid(network.decode(chunk.view(-1, *network.latent_shape))) for chunk in chunks
    ]
    return torch.cat(parts)[: len(latents)].cpu()


class WatchReconstruction:
    """A hook that records the error of reconstructions and the share of active cells, every so many steps.

    {group}_error is the root mean square difference in [0, 1] of images decoded from their mean; {group}_active is
    `active_cells`. Where the error of held-out images rises while that of training images falls, the network
    memorizes. Draws no chance and changes nothing.
    """

    def __init__(self, network: VAE, groups: Mapping[str, Tensor], *, every: int) -> None:
        self.network, self.groups, self.every = network, groups, every

    def __call__(self, done: int, history: History) -> None:
        """Record where due."""
        if done % self.every:
            return
        self.network.eval()
        for name, images in self.groups.items():
            error, active = self._look(images)
            history.add(done, {f"{name}_error": error, f"{name}_active": active})
        self.network.train()

    @torch.no_grad()
    def _look(self, images: Tensor) -> tuple[float, float]:
        mean, _ = self.network.encode(images)
        return root_mean_square(self.network.decode(mean), images), active_cells(mean)


def _train(
    plan: VAEPlan, images: Images, held: Images | None, device: torch.device, slot: Slot
) -> Fitted:
    with isolated_chance(plan.seed, "vae", "start"):
        network = build_vae(plan.design).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from the stubs
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
    checkpoint = slot.checkpoint(
        {"network": network, "optimizer": optimizer, "schedule": schedule, "step": step}
    )
    history = train(
        step,
        _batches(plan, images, device),
        n_steps=plan.n_steps,
        seed=plan.seed,
        hooks=[_watch(plan, network, images, held, device)],
        checkpoint=checkpoint,
        history=History(advice=plan.advice),
        name="vae",
    )
    fitted = (
        {name: tensor.cpu() for name, tensor in network.state_dict().items()},
        {"rows": history.rows},
    )
    slot.store(fitted, checkpoint)
    return fitted


def _batches(plan: VAEPlan, images: Images, device: torch.device) -> Batches:
    unlabeled = np.zeros(len(images), dtype=np.int64)
    pool = Pool(labels=unlabeled, batch_size=plan.batch_size, n_steps=plan.n_steps, seed=plan.seed)
    batches = ResidentBatches(images, unlabeled, natural(pool), span=plan.span, device=device)
    return augmented(batches, plan.augmentation)


def _watch(
    plan: VAEPlan, network: VAE, images: Images, held: Images | None, device: torch.device
) -> WatchReconstruction:
    def some(group: Images) -> Tensor:
        rows = make_rng(plan.seed, "watched").permutation(len(group))[:N_WATCHED]
        return to_unit(resident(group[rows], device), plan.span)

    groups = {"training": some(images)}
    if held is not None and len(held):
        groups["validation"] = some(held)
    return WatchReconstruction(network, groups, every=max(10, plan.n_steps // 200 * 10))


def _chunks(array: Any) -> Iterator[Any]:
    """Walk the first axis, `CHUNK` rows at a time; the last ones are repeated where too few are left."""
    for start in range(0, len(array), CHUNK):
        part = array[start : start + CHUNK]
        yield np.resize(part, (CHUNK, *part.shape[1:]))
