"""Generators whose images are filtered before a classifier sees them: arms to hold against the same, unfiltered."""

from collections.abc import Callable
from dataclasses import replace

from equipoise.experiments.methods import generative
from equipoise.experiments.methods.method import Method
from equipoise.experiments.protocol import Budget
from equipoise.resampling.base import Resampler

BASES = ("dcgan", "cdcgan", "edm")


def _curated(method: Method, make: Callable[[Budget], Resampler]) -> Method:
    """Filter the images of a method; generator and classifier stay the same.

    The judge is the budget's classifier on balanced batches. The arms of a cell share the generator's fit, and all
    curated ones share the judge.
    """

    def balance(budget: Budget) -> Resampler:
        from equipoise.curation.oversampler import CuratedOversampler

        judge = Method(name="judge", summary="").build(budget)[-1]
        return CuratedOversampler(make(budget), judge=judge.set_params(batch_sampler="balanced"))

    summary = f"The same as {method.name}; its images are filtered first: label, realism, copies, repeats."
    return replace(method, name=f"{method.name}_curated", summary=summary, balance=balance)


METHODS = tuple(
    _curated(method, method.balance)
    for method in generative.METHODS
    if method.name in BASES and method.balance is not None
)
