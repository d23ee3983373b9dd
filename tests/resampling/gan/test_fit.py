"""Effects of each kind of GAN on a fit: batches, optimizers, image range, saved files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from equipoise.resampling.gan.fit import make_optimizer
from equipoise.resampling.gan.oversampler import GANOversampler
from equipoise.resampling.gan.presets import from_preset
from equipoise.resampling.gan.settings import Schedule
from equipoise.resampling.generator_fit import sample
from equipoise.testing.oversamplers import toy_images
from equipoise.training.adversarial import AdversarialStep
from equipoise.training.ranges import DATA_RANGES
from equipoise.training.regularizers import GradientPenalty

TINY: dict[str, Any] = {
    "n_steps": 4,
    "batch_size": 6,
    "base_channels": 4,
    "latent_size": 40,
    "learning_rate": 0.01,
    "device": "cpu",
}


def test_a_saved_gan_keeps_regularizers_with_their_settings(tmp_path: Path) -> None:
    gan = from_preset(
        "wgan_gp", **TINY | {"critic_steps": 1, "regularizers": (GradientPenalty(weight=5.0),)}
    )
    fitted = gan.fit(*toy_images((12, 8)))
    fitted.save(tmp_path / "model")
    loaded = GANOversampler.load(tmp_path / "model")
    assert loaded.recipe == fitted.recipe
    assert loaded.game.regularizers == (GradientPenalty(weight=5.0),)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Collect the images and labels of each step."""
    collected: list[tuple[torch.Tensor, torch.Tensor]] = []
    step = AdversarialStep.__call__

    def spy(self: AdversarialStep, images: torch.Tensor, labels: torch.Tensor) -> Any:
        collected.append((images, labels))
        return step(self, images, labels)

    monkeypatch.setattr(AdversarialStep, "__call__", spy)
    return collected


def three_updates(**changes: Any) -> GANOversampler:
    return from_preset(
        "dcgan", **TINY | {"critic_steps": 3, "batch_size": 5, "conditioning": "one_hot"} | changes
    )


@pytest.mark.parametrize(("reuse", "n_rows"), [(False, 15), (True, 5)])
def test_a_step_gets_one_batch_or_one_for_each_update_of_the_critic(
    reuse: bool, n_rows: int, batches: list[tuple[torch.Tensor, torch.Tensor]]
) -> None:
    three_updates(reuse_batch=reuse).fit(*toy_images((20, 10)))
    assert [len(labels) for _, labels in batches] == [n_rows] * 4
    shares = torch.cat([labels for _, labels in batches]).reshape(-1, 5).float().mean(dim=1)
    assert ((shares > 0.3) & (shares < 0.7)).all()  # each batch is balanced by itself


def test_every_update_of_the_critic_has_real_images_of_its_own(
    batches: list[tuple[torch.Tensor, torch.Tensor]],
) -> None:
    three_updates(n_steps=2, batch_sampler="natural", alpha="empirical").fit(*toy_images((20, 10)))
    images = torch.cat([images for images, _ in batches]).flatten(1).numpy()
    assert (
        len(images) == len(np.unique(images, axis=0)) == 30
    )  # 2 x 3 x 5: one pass over the 30 images, each once


def test_a_lazy_regularizer_slows_its_optimizer_down() -> None:
    network = torch.nn.Linear(2, 2)
    schedule = Schedule(optimizer="adam", betas=(0.5, 0.99))
    group = make_optimizer(schedule, network, 0.017, lazy=16).param_groups[0]
    assert group["lr"] == pytest.approx(0.016)
    assert group["betas"] == pytest.approx((0.5 ** (16 / 17), 0.99 ** (16 / 17)))
    assert make_optimizer(schedule, network, 0.017).param_groups[0]["lr"] == 0.017


def test_wgans_optimizer_has_no_momentum() -> None:
    optimizer = make_optimizer(Schedule(optimizer="rmsprop"), torch.nn.Linear(2, 2), 0.01)
    assert isinstance(optimizer, torch.optim.RMSprop)
    assert optimizer.param_groups[0]["momentum"] == 0


def test_a_tanhs_dark_half_is_black_where_images_are_0_to_1() -> None:
    class Halves(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.halves = torch.nn.Parameter(torch.tensor([-0.5, 0.5]))

        def forward(self, latent: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return self.halves.expand(len(latent), 2)

    (images,) = sample(Halves(), np.zeros((3, 2)), 0, DATA_RANGES["unit"])
    assert images.tolist() == [[0.0, 0.5]] * 3
    (images,) = sample(Halves(), np.zeros((3, 2)), 0)
    assert images.tolist() == [[0.25, 0.75]] * 3
