"""Resamplers of training images."""

from .bagan.oversampler import BAGANOversampler
from .base import Oversampler, Resampler
from .diffusion.oversampler import DiffusionOversampler
from .gan.oversampler import GANOversampler
from .gan.presets import from_preset
from .gan.settings import Schedule
from .loading import load_oversampler
from .random import RandomOversampler, RandomUndersampler, ReplayOversampler
from .resized import ResizedOversampler
from .smote import SMOTEOversampler
from .torch_batches import BatchRows
from .vae.oversampler import VAEOversampler
from .vae.pretraining import VAEPretraining

__all__ = [
    "BAGANOversampler",
    "BatchRows",
    "DiffusionOversampler",
    "GANOversampler",
    "Oversampler",
    "RandomOversampler",
    "RandomUndersampler",
    "ReplayOversampler",
    "Resampler",
    "ResizedOversampler",
    "SMOTEOversampler",
    "Schedule",
    "VAEOversampler",
    "VAEPretraining",
    "from_preset",
    "load_oversampler",
]
