"""All methods by name, and how to make them."""

from collections.abc import Iterable

from imblearn.pipeline import Pipeline

from equipoise.discovery import Family
from equipoise.experiments.methods import classical, curated, generative, losses, papers
from equipoise.experiments.methods.doses import find_method
from equipoise.experiments.methods.method import Method, check_names
from equipoise.experiments.protocol import Budget

FAMILIES = (losses, classical, generative, curated)
WITHIN_BUDGET = tuple(method.name for family in FAMILIES for method in family.METHODS)


def _line(method: Method) -> str:
    needs = f" From {method.minimum} images of a class." if method.minimum > 1 else ""
    return f"{method.summary}{needs}"


METHODS: dict[str, Method] = {
    method.name: method for family in (*FAMILIES, papers) for method in family.METHODS
}
FAMILY = Family(
    name="methods",
    summary="Ways of rebalancing images: --methods of `equipoise run`.",
    members=METHODS,
    line=_line,
)
STRONG_CONTROLS = (
    "oversampling",
    "balanced_softmax",
    "crt",
    "ldam_drw",
)  # cheap; what a generator has to beat
ALL = "all"  # stands for `WITHIN_BUDGET`: the papers' own settings train for hours


def named(text: str) -> tuple[str, ...]:
    """Read the names of methods from a list with commas; "all" stands for all that keep to the budget.

    >>> named("none, oversampling")
    ('none', 'oversampling')
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    return WITHIN_BUDGET if names == (ALL,) else names


def build_methods(names: Iterable[str], budget: Budget) -> dict[str, Pipeline]:
    """Make methods by name, in the order of the names; dcgan@0.5 and dcgan+120 are doses of dcgan.

    Raises:
        SettingError: A name is unknown or comes twice, or there is none.
    """
    return {name: find_method(name, METHODS).build(budget) for name in check_names(names, METHODS)}
