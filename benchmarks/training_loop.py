"""Our training loop against a bare hand-written one with the same network and optimizer."""

import torch
from torch import nn

from benchmarks.timing import Pair, side_by_side
from equipoise.arrays import value_range
from equipoise.data.phantoms.datasets import chest_films
from equipoise.losses import LOSSES
from equipoise.networks.backbones import build
from equipoise.training.batches import Pool, ResidentBatches, natural
from equipoise.training.loop import LossStep, train
from equipoise.training.optimizers import make_optimizer, make_schedule

BATCH, SIZE = 32, 64


def measure(network: str, n_steps: int) -> Pair:
    dataset = chest_films((256, 64), size=SIZE)
    ours, bare = (_network(network) for _ in range(2))
    optimizer = make_optimizer("adamw", ours.parameters(), learning_rate=1e-3)
    loss = LOSSES["cross_entropy"](torch.as_tensor(dataset.counts))
    step = LossStep(
        loss=lambda images, labels: loss(
            ours(images.contiguous(memory_format=torch.channels_last)), labels
        ),
        optimizer=optimizer,
        schedule=make_schedule("cosine", optimizer, 10_000),
    )
    batches = ResidentBatches(
        dataset.images,
        dataset.labels,
        natural(Pool(labels=dataset.labels, batch_size=BATCH, n_steps=1, seed=0)),
        span=value_range(dataset.images),
        device=torch.device("cpu"),
    )
    images = torch.as_tensor(dataset.images).float() / 255
    labels = torch.as_tensor(dataset.labels)
    bare_optimizer = torch.optim.AdamW(bare.parameters(), lr=1e-3, fused=True)

    def run_ours() -> int:
        train(step, batches, n_steps=n_steps, seed=0)
        return n_steps

    def run_bare() -> int:
        order = torch.randperm(len(images))
        for i in range(n_steps):
            rows = order[torch.arange(i * BATCH, (i + 1) * BATCH) % len(order)]
            batch = images[rows].contiguous(memory_format=torch.channels_last)
            bare_loss = nn.functional.cross_entropy(bare(batch), labels[rows])
            bare_optimizer.zero_grad()
            bare_loss.backward()  # type: ignore[no-untyped-call]
            bare_optimizer.step()
        return n_steps

    return side_by_side(
        f"training loop, {network}",
        run_ours,
        run_bare,
        unit="steps/s",
        note=f"batch {BATCH}, {SIZE} px, {torch.get_num_threads()} threads; at least 0.95",
    )


def _network(name: str) -> nn.Module:
    torch.manual_seed(0)
    network = build(name, channels=1, n_classes=2, side=SIZE)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
