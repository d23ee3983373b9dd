"""Methods that fill small classes up with images of a generator."""

from typing import Any

from equipoise.experiments.method import Budget, Method
from equipoise.resampling.base import Resampler


def _gan(conditioning: str, **settings: Any) -> Any:
    def balance(budget: Budget) -> Resampler:
        from equipoise.resampling.gan import GANOversampler

        return GANOversampler(
            conditioning=conditioning,
            n_steps=budget.gan_steps,
            batch_size=budget.gan_batch_size,
            base_channels=budget.gan_channels,
            precision=budget.gan_precision,
            device=budget.device,
            **settings,
        )

    return balance


METHODS = (
    Method(
        name="dcgan",
        summary="Small classes are filled up by a DCGAN of their own (papers S1, S4).",
        balance=_gan("per_class"),
    ),
    Method(
        name="cdcgan",
        summary="Small classes are filled up by one DCGAN of all classes that is told the class (paper S2).",
        balance=_gan("embedding"),
    ),
)
