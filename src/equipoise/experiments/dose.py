"""Arms that differ in how many synthetic images are added: `dcgan@0.5`, `dcgan+120`."""

import re
from collections.abc import Mapping
from dataclasses import replace

from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.experiments.method import Budget, Method
from equipoise.resampling.base import Resampler

NAME = re.compile(r"(?P<base>\w+)(?:@(?P<share>\d+(?:\.\d+)?)|\+(?P<per_class>\d+))")


def dosed(method: Method, *, share: float | None = None, per_class: int | None = None) -> Method:
    """Make the method that adds a dose of the synthetic images of another one, in every class.

    Classifier and generator are those of `method`, and arms of one workspace share the generator's fits. A dose of
    0 is not needed: the method without a resampler, "none", is that arm.

    Args:
        method: One that adds images, for example `METHODS["dcgan"]`.
        share: Synthetic images for each real one of the class (paper S4: 0.05 to 2); the name is `dcgan@0.5`.
        per_class: Synthetic images of every class (paper S4: 120, 480); the name is `dcgan+120`.

    Raises:
        SettingError: The method adds no images, or not exactly one of the doses is given.
    """
    make = method.balance
    if make is None or (share is None) == (per_class is None):
        raise SettingError(
            f"Expected a method that adds images and one of share and per_class, got {method.name} with "
            f"share={share} and per_class={per_class}. Write dosed(METHODS['dcgan'], share=0.5)."
        )

    def balance(budget: Budget) -> Resampler:
        from equipoise.curation.dosed import DosedOversampler

        return DosedOversampler(make(budget), share=share, per_class=per_class)

    ending = f"@{share:g}" if share is not None else f"+{per_class}"
    dose = f"{share:g} for each real one" if share is not None else f"{per_class} in all"
    summary = f"Every class gets synthetic images as {method.name} makes them, {dose}."
    return replace(method, name=method.name + ending, summary=summary, balance=balance)


def find_method(name: str, methods: Mapping[str, Method]) -> Method:
    """Look up a method by name, or make the dosed one that a name such as dcgan@0.5 or dcgan+120 asks for.

    Raises:
        SettingError: No such method, or one that adds no images.
    """
    asked = NAME.fullmatch(name)
    if asked is None:
        return pick(methods, name, "method")
    base = pick(methods, asked["base"], "method")
    if asked["share"] is not None:
        return dosed(base, share=float(asked["share"]))
    return dosed(base, per_class=int(asked["per_class"]))
