"""What `equipoise list` shows: the members of each family, one line each. Imports nothing before it is asked."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any


def show_family(family: str) -> None:
    """Print one line for each member of a family."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, summary in FAMILIES[family]().items():
        table.add_row(escape(name), escape(summary))
    Console().print(table)


def _methods() -> dict[str, str]:
    from equipoise.experiments.methods.catalogue import METHODS

    return {name: f"{method.summary}{_needs(method.minimum)}" for name, method in METHODS.items()}


def _needs(minimum: int) -> str:
    return f" From {minimum} images of a class." if minimum > 1 else ""


def _cards(package: str) -> Callable[[], dict[str, str]]:
    """List the modules of a package of readers by their cards."""

    def members() -> dict[str, str]:
        from equipoise.discovery import modules

        found = modules(importlib.import_module(f"equipoise.data.{package}")).values()
        return {
            module.CARD.name: f"{module.CARD.summary}\nExample: {module.CARD.example}"
            for module in found
        }

    return members


def _metrics() -> dict[str, str]:
    from equipoise.metrics.classification import METRICS

    return {name: metric.source for name, metric in METRICS.items()}


def _table(module: str, name: str) -> Callable[[], dict[str, str]]:
    """List a table of a module by what its members say of themselves."""

    def members() -> dict[str, str]:
        table = getattr(importlib.import_module(f"equipoise.{module}"), name)
        return {key: _summary(member) for key, member in table.items()}

    return members


def _summary(member: Any) -> str:
    if isinstance(member, Mapping):
        return ", ".join(f"{name}={value}" for name, value in member.items())
    text = (
        getattr(member, "summary", "")
        or getattr(member, "source", "")
        or inspect.getdoc(member)
        or ""
    )
    return str(text).split("\n", maxsplit=1)[0]


FAMILIES: dict[str, Callable[[], dict[str, str]]] = {
    "methods": _methods,
    "volume_methods": _table("experiments.methods.segmentation", "VOLUME_METHODS"),
    "readers": _cards("images.readers"),
    "volume_readers": _cards("volumes.readers"),
    "losses": _table("losses", "LOSSES"),
    "metrics": _metrics,
    "volume_metrics": _table("metrics.segmentation", "SEGMENTATION_METRICS"),
    "networks": _table("networks.backbones", "BACKBONES"),
    "batch_samplers": _table("training.batches", "BATCH_SAMPLERS"),
    "augmentations": _table("training.augmentation", "AUGMENTATIONS"),
    "objectives": _table("training.objectives", "OBJECTIVES"),
    "regularizers": _table("training.regularizers", "REGULARIZERS"),
    "layouts": _table("networks.layouts", "LAYOUTS"),
    "conditionings": _table("networks.conditioning", "CONDITIONINGS"),
    "critic_norms": _table("networks.normalization", "NORMS"),
    "initializations": _table("networks.initialization", "INITIALIZATIONS"),
    "mixings": _table("training.mixing", "MIXINGS"),
    "second_stages": _table("estimators.second_stage", "SECOND_STAGES"),
    "extractors": _table("features.table", "EXTRACTORS"),
    "latent_modes": _table("resampling.vae.latents", "MODES"),
    "processes": _table("training.denoising", "PROCESSES"),
    "gan_presets": _table("resampling.gan.presets", "GAN_PRESETS"),
    "classifier_presets": _table("estimators.presets", "PRESETS"),
    "label_schemes": _table("data.volumes.labels", "LABEL_SCHEMES"),
    "patch_samplers": _table("estimators.patches.table", "PATCH_SAMPLERS"),
    "patch_networks": _table("networks.patch_networks", "PATCH_NETWORKS"),
    "region_losses": _table("losses.regions", "REGION_LOSSES"),
}
