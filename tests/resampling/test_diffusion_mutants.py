"""What the mutation run found untested in `resampling.diffusion_fit`."""

import numpy as np

from equipoise.resampling.diffusion import DiffusionOversampler
from equipoise.resampling.diffusion_fit import set_aside
from equipoise.testing.oversamplers import toy_images


def test_images_set_aside_are_in_no_batch() -> None:
    """One step on a batch that holds every image several times, so that none is left out by chance."""
    images, labels = toy_images((20, 10))
    changed = images.copy()
    changed[set_aside(labels, 0.3, seed=0)] = 255
    one, other = (
        DiffusionOversampler(
            n_steps=1, batch_size=120, batch_sampler="natural", stop_share=0.3, sampling_steps=2, base_channels=4,
            learning_rate=0.01, device="cpu",
        ).fit(X, labels)
        for X in (images, changed)
    )  # fmt: skip
    asked = np.ones(4, dtype=np.int64)
    np.testing.assert_array_equal(one.generate(asked), other.generate(asked))
