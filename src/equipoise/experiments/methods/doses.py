"""Arms that differ in how many synthetic images are added: `dcgan@0.5`, `dcgan+120`."""

import re
from collections.abc import Mapping
from dataclasses import replace

from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.experiments.methods.method import Method
from equipoise.experiments.protocol import Budget
from equipoise.resampling.base import Resampler

NAME = re.compile(r"(?P<base>\w+)(?:@(?P<share>\d+(?:\.\d+)?)|\+(?P<per_class>\d+))")


def dosed(method: Method, *, share: float | None = None, per_class: int | None = None) -> Method:
    """Return the method that adds a dose of the synthetic images of another one, in every class.

    Classifier and generator are those of `method`, and arms of one workspace share the generator's
    fits. A dose of 0 is not needed: the method without a resampler, "none", is that arm.

    Args:
        method: One that adds images, for example `METHODS["dcgan"]`.
        share: Synthetic images for each real one of the class (paper S4: 0.05 to 2); the name is
            `dcgan@0.5`.
        per_class: Synthetic images of every class (paper S4: 120, 480); the name is `dcgan+120`.

    Raises:
        SettingError: The method adds no images, or not exactly one of the doses is given.

    Example:
        >>> from equipoise.experiments.methods.catalogue import METHODS
        >>> dosed(METHODS["dcgan"], share=0.5).name
        'dcgan@0.5'
    """
    build_generator = method.balance
    if build_generator is None or (share is None) == (per_class is None):
        raise SettingError(
            "Expected a method that adds images and one of share and per_class, got "
            f"{method.name} with share={share} and per_class={per_class}. Write "
            "dosed(METHODS['dcgan'], share=0.5)."
        )

    def balance(budget: Budget) -> Resampler:
        from equipoise.curation.dosed import DosedOversampler

        return DosedOversampler(build_generator(budget), share=share, per_class=per_class)

    if share is not None:
        suffix, dose = f"@{share:g}", f"{share:g} for each real image"
    else:
        suffix, dose = f"+{per_class}", f"{per_class} in each class"
    return replace(
        method,
        name=f"{method.name}{suffix}",
        summary=f"Every class gets synthetic images of the generator of {method.name}: {dose}.",
        balance=balance,
    )


def find_method(name: str, methods: Mapping[str, Method]) -> Method:
    """Return a method by name, or the dosed one of a name such as dcgan@0.5 or dcgan+120.

    Raises:
        SettingError: No such method, or one that adds no images.
    """
    match = NAME.fullmatch(name)
    if match is None:
        return pick(methods, name, "method")
    base = pick(methods, match["base"], "method")
    if match["share"] is not None:
        return dosed(base, share=float(match["share"]))
    return dosed(base, per_class=int(match["per_class"]))
