"""All methods for images by name, and how to build them."""

from collections.abc import Iterable

from imblearn.pipeline import Pipeline

from equipoise.discovery import Family
from equipoise.experiments.methods import classical, generative, papers
from equipoise.experiments.methods.doses import find_method
from equipoise.experiments.methods.method import Method, check_names
from equipoise.experiments.protocol import Budget

ALL = "all"  # stands for `WITHIN_BUDGET`: the papers' own settings train for hours
METHODS: dict[str, Method] = {}
for _method in (*classical.METHODS, *generative.METHODS, *generative.CURATED, *papers.METHODS):
    METHODS[_method.name] = _method
WITHIN_BUDGET = tuple(METHODS)[: -len(papers.METHODS)]


def _line(method: Method) -> str:
    needs = f" From {method.minimum} images of a class." if method.minimum > 1 else ""
    return f"{method.summary}{needs}"


FAMILY = Family(
    name="methods",
    summary="Ways of rebalancing images: --methods of `equipoise run`.",
    members=METHODS,
    line=_line,
)


def named(text: str, budget: Budget | None = None) -> tuple[str, ...]:
    """Read names of methods from a list with commas; "all" stands for `WITHIN_BUDGET`.

    Of those, methods that make no sense in the regime of the budget are left out.

    >>> named("none, oversampling")
    ('none', 'oversampling')
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if names != (ALL,):
        return names
    return tuple(name for name in WITHIN_BUDGET if METHODS[name].suits(budget or Budget()))


def build_methods(names: Iterable[str], budget: Budget) -> dict[str, Pipeline]:
    """Build methods by name, in the order of the names; dcgan@0.5 and dcgan+120 are doses of dcgan.

    Args:
        names: Names in `METHODS`, and doses of those that add images.
        budget: What each method may spend.

    Raises:
        SettingError: A name is unknown or repeated, or there is none.

    Example:
        >>> methods = build_methods(["none", "oversampling"], Budget(n_steps=100))
        >>> [type(step).__name__ for _, step in methods["oversampling"].steps]
        ['RandomOversampler', 'ImageClassifier']
    """
    names = check_names(names, METHODS)
    return {name: find_method(name, METHODS).build(budget) for name in names}
