"""`Method`: a named way of rebalancing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from imblearn.pipeline import Pipeline

from equipoise.exceptions import SettingError
from equipoise.experiments.methods.regimes import make_classifier, refusal
from equipoise.experiments.protocol import FLOAT32, Budget
from equipoise.resampling.base import Params, Resampler

Balance = Callable[[Budget], Resampler]
ClassifierSettings = Callable[[Budget], Params]  # arguments of the classifier


def no_settings(_budget: Budget) -> Params:
    """Return no settings: the classifier is that of the budget."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Method:
    """A named way of rebalancing.

    Attributes:
        name: What users type; also a folder name.
        summary: One line for `equipoise list methods`.
        balance: Builds the resampler; None where the training images stay as they are.
        classifier: Returns the settings of the classifier that the method is about; all others are
            those of the budget.

    Example:
        >>> focal = Method(name="focal", summary="", classifier=lambda _budget: {"loss": "focal"})
        >>> [name for name, _ in focal.build(Budget()).steps]
        ['classify']
    """

    name: str
    summary: str
    balance: Balance | None = None
    classifier: ClassifierSettings = no_settings

    @property
    def minimum(self) -> int:
        """Smallest number of training images of a class from which the method can generate more."""
        if self.balance is None:
            return 1
        return int(
            getattr(self.balance(Budget(precision=FLOAT32, gan_precision=FLOAT32)), "minimum", 1)
        )

    def suits(self, budget: Budget) -> bool:
        """Return whether the method makes sense in the regime of a budget."""
        return not refusal(budget, self.classifier(budget))

    def build(self, budget: Budget) -> Pipeline:
        """Build the pipeline of an optional resampler and a classifier.

        Raises:
            SettingError: The method makes no sense in the regime of the budget.
        """
        classifier = make_classifier(self.name, budget, self.classifier(budget))
        classify = ("classify", classifier)
        if self.balance is None:
            return Pipeline([classify])
        return Pipeline([("balance", self.balance(budget)), classify])


def check_names(names: Iterable[str], available: Iterable[str]) -> list[str]:
    """Return the requested names of methods as a list.

    Raises:
        SettingError: A name is repeated, or there is none.
    """
    names = list(names)
    if not names:
        listed = ", ".join(sorted(available))
        raise SettingError(f"Expected at least one method. Available: {listed}.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SettingError(f"Expected every method once, got {', '.join(repeated)} more than once.")
    return names
