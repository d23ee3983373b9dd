"""What the mutation run found untested in `resampling.gan_fit`."""

import numpy as np
import pytest
import torch

from equipoise.resampling import gan_fit
from equipoise.resampling.gan import GANOversampler
from equipoise.testing.oversamplers import toy_images
from equipoise.training.adversarial import AdversarialStep


def test_every_update_of_the_critic_has_real_images_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []

    class Spy(AdversarialStep):
        def __call__(self, images: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            seen.append(images)
            return dict(super().__call__(images, labels))

    monkeypatch.setattr(gan_fit, "AdversarialStep", Spy)
    GANOversampler(
        n_steps=2, critic_steps=3, batch_size=5, batch_sampler="natural", base_channels=4, latent_size=40,
        conditioning="one_hot", device="cpu",
    ).fit(*toy_images((20, 10)))  # fmt: skip
    images = torch.cat(seen).flatten(1).numpy()
    assert len(images) == 30
    assert len(np.unique(images, axis=0)) == 30  # 2 x 3 x 5: one pass over the 30 images, each once
