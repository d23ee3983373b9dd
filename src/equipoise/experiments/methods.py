"""All methods by name, and how to make them."""

from collections.abc import Iterable

from imblearn.pipeline import Pipeline

from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.experiments.catalogue import classical, generative, losses, papers
from equipoise.experiments.method import Budget, Method

METHODS: dict[str, Method] = {
    method.name: method for family in (losses, classical, generative, papers) for method in family.METHODS
}


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
