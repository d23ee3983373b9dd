"""The methods that the command line knows by name."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imblearn.pipeline import Pipeline

from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.resampling.base import Resampler
from equipoise.resampling.random import RandomOversampler, RandomUndersampler

if TYPE_CHECKING:
    from equipoise.estimators.classifier import ImageClassifier
    from equipoise.resampling.gan import GANOversampler


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What every arm of a comparison may spend: one classifier, one number of steps, one size of generators.

    Attributes:
        network: Of the classifier; one of `equipoise.networks.backbones.NETWORKS`.
        pretrained: None, "imagenet", or a file of weights.
        n_steps: Optimizer steps of the classifier.
        batch_size: Images in each of them.
        learning_rate: Of the classifier.
        augmentation: Of the classifier; one of `equipoise.training.augmentation.AUGMENTATIONS`.
        gan_steps: Updates of every GAN.
        gan_batch_size: Images in each of them.
        gan_channels: Channels of a GAN at half the image side.
        device: "auto", "cpu", "cuda", ...
    """

    network: str = "small_cnn"
    pretrained: str | None = None
    n_steps: int = 600
    batch_size: int = 32
    learning_rate: float = 1e-3
    augmentation: str = "film"
    gan_steps: int = 1500
    gan_batch_size: int = 32
    gan_channels: int = 32
    device: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Method:
    """A named way of rebalancing.

    Attributes:
        name: As it is asked for; also a folder name.
        summary: One line for `equipoise list methods`.
        balance: Makes the resampler; None where the training images stay as they are.
        loss: Of the classifier; one of `equipoise.losses.LOSSES`.
    """

    name: str
    summary: str
    balance: Callable[[Budget], Resampler] | None = None
    loss: str = "cross_entropy"

    def build(self, budget: Budget) -> Pipeline:
        """Make the pipeline; the classifiers of two methods differ in their loss at most."""
        classify = ("classify", _classifier(budget, self.loss))
        return Pipeline([classify] if self.balance is None else [("balance", self.balance(budget)), classify])


def build_methods(names: Iterable[str], budget: Budget) -> dict[str, Pipeline]:
    """Make methods by name, in the order of the names.

    Raises:
        SettingError: A name is unknown or comes twice, or there is none.
    """
    names = list(names)
    if not names:
        raise SettingError(f"Expected at least one method. Available: {', '.join(sorted(METHODS))}.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingError(f"Expected every method once, got {', '.join(twice)} more than once.")
    return {name: pick(METHODS, name, "method").build(budget) for name in names}


def _classifier(budget: Budget, loss: str) -> "ImageClassifier":
    from equipoise.estimators.classifier import ImageClassifier

    return ImageClassifier(
        network=budget.network,
        pretrained=budget.pretrained,
        loss=loss,
        n_steps=budget.n_steps,
        batch_size=budget.batch_size,
        learning_rate=budget.learning_rate,
        augmentation=budget.augmentation,
        device=budget.device,
    )


def _gan(budget: Budget, conditioning: str) -> "GANOversampler":
    from equipoise.resampling.gan import GANOversampler

    return GANOversampler(
        conditioning=conditioning,
        n_steps=budget.gan_steps,
        batch_size=budget.gan_batch_size,
        base_channels=budget.gan_channels,
        device=budget.device,
    )


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(name="none", summary="The images as they are: the baseline."),
        Method(
            name="class_weights",
            summary="The loss counts every class alike, whatever its number of images.",
            loss="class_weights",
        ),
        Method(
            name="oversampling",
            summary="Images of small classes are repeated until all classes are as large.",
            balance=lambda _budget: RandomOversampler(),
        ),
        Method(
            name="undersampling",
            summary="Images of large classes are left out until all classes are as small.",
            balance=lambda _budget: RandomUndersampler(),
        ),
        Method(
            name="dcgan",
            summary="Small classes are filled up by a DCGAN of their own (papers S1, S4).",
            balance=lambda budget: _gan(budget, "per_class"),
        ),
        Method(
            name="cdcgan",
            summary="Small classes are filled up by one DCGAN of all classes that is told the class (paper S2).",
            balance=lambda budget: _gan(budget, "embedding"),
        ),
    )
}
