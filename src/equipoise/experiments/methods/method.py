"""`Method`: a named way of rebalancing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imblearn.pipeline import Pipeline

from equipoise.exceptions import SettingError
from equipoise.experiments.protocol import Budget
from equipoise.resampling.base import Resampler

if TYPE_CHECKING:
    from equipoise.estimators.classifier import ImageClassifier


def _unchanged(_budget: Budget) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Method:
    """A named way of rebalancing.

    Attributes:
        name: As it is asked for; also a folder name.
        summary: One line for `equipoise list methods`.
        balance: Makes the resampler; None where the training images stay as they are.
        classifier: Settings of the classifier that the method is about; all others are those of the budget.
    """

    name: str
    summary: str
    balance: Callable[[Budget], Resampler] | None = None
    classifier: Callable[[Budget], Mapping[str, Any]] = _unchanged

    @property
    def minimum(self) -> int:
        """Fewest training images of a class that the method can fill up."""
        return 1 if self.balance is None else int(getattr(self.balance(Budget()), "minimum", 1))

    def build(self, budget: Budget) -> Pipeline:
        """Make the pipeline."""
        classify = ("classify", _classifier(budget).set_params(**self.classifier(budget)))
        return Pipeline(
            [classify] if self.balance is None else [("balance", self.balance(budget)), classify]
        )


def _classifier(budget: Budget) -> "ImageClassifier":
    from equipoise.estimators.classifier import ImageClassifier

    return ImageClassifier(
        network=budget.network,
        pretrained=budget.pretrained,
        n_steps=budget.n_steps,
        batch_size=budget.batch_size,
        learning_rate=budget.learning_rate,
        augmentation=budget.augmentation,
        device=budget.device,
    )


def check_names(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the names of methods that were asked for.

    Raises:
        SettingError: A name comes twice, or there is none.
    """
    names = list(names)
    if not names:
        raise SettingError(f"Expected at least one method. Available: {', '.join(sorted(known))}.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingError(f"Expected every method once, got {', '.join(twice)} more than once.")
    return names
