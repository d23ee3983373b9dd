"""The parts of a step of a method that train: what memory, forecasts and shared fits look at."""

from typing import Any

from equipoise.networks.backbones import name_of
from equipoise.resampling.resized import ResizedOversampler
from equipoise.resampling.vae.oversampler import VAEOversampler
from equipoise.resampling.vae.pretraining import VAEPretraining

WRAPPED = ("generator", "judge")  # of curated and dosed oversamplers


def parts_of(step: Any, side: int) -> list[tuple[Any, int]]:
    """Return the estimators in a step that train one after the other, with their sides in px.

    A VAE that pretrains a classifier needs what one that generates images does.
    """
    pretraining = getattr(step, "pretraining", None)
    if isinstance(pretraining, VAEPretraining):
        vae = VAEOversampler(trunk=name_of(step.network), **pretraining.get_params())
        return [(step, side), (vae, side)]
    parts = []
    inner_side = min(side, step.side) if isinstance(step, ResizedOversampler) else side
    for name in WRAPPED:
        part = getattr(step, name, None)
        if part is not None:
            parts += parts_of(part, inner_side)
    return parts or [(step, side)]


def batch_sizes(estimator: Any) -> list[int]:
    """Return the batch sizes of everything that trains in an estimator."""
    sizes = []
    for name, value in estimator.get_params(deep=True).items():
        if name.split("__")[-1] == "batch_size":
            sizes.append(int(value))
    return sizes
