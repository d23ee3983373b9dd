"""Throughput of a DCGAN step as a fraction of the matrix-product peak in the same run."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import Pair, side_by_side
from equipoise.networks.design import Design
from equipoise.networks.layouts import build_pair
from equipoise.training.adversarial import AdversarialStep, Game

N_PRODUCT = 2048


def measure(size: int, base: int, batch: int) -> Pair:
    step, images, labels = _step(size, base, batch)
    with FlopCounterMode(display=False) as counter:
        step(images, labels)
    per_step = counter.get_total_flops() / 1e9
    a, b = torch.rand(N_PRODUCT, N_PRODUCT), torch.rand(N_PRODUCT, N_PRODUCT)

    def ours() -> float:
        for _ in range(5):
            step(images, labels)
        return float(5 * per_step)

    def peak() -> float:
        for _ in range(3):
            torch.mm(a, b)
        return 3 * 2 * N_PRODUCT**3 / 1e9

    return side_by_side(
        f"DCGAN step, {size} px, base {base}",
        ours,
        peak,
        unit="GFLOP/s",
        note=f"batch {batch}, {per_step:.1f} GFLOP; reference: matrix product of side {N_PRODUCT}",
    )


def _step(size: int, base: int, batch: int) -> tuple[AdversarialStep, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    design = Design(size=size, channels=1, n_classes=1, conditioning="none", base_channels=base)
    generator, critic = build_pair("dcgan", design)
    for network in (generator, critic):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    adams = [
        torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
        for n in (generator, critic)
    ]
    step = AdversarialStep(
        generator=generator,
        critic=critic,
        generator_optimizer=adams[0],
        critic_optimizer=adams[1],
        game=Game(),
        latent_size=design.latent_size,
        label_probabilities=torch.ones(1),
    )
    return step, torch.rand(batch, 1, size, size), torch.zeros(batch, dtype=torch.int64)
