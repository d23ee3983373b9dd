"""A plan in words, for the terminal and the report."""

from collections.abc import Mapping

from equipoise.results.phrases import plural
from equipoise.results.power import ACCURACY
from equipoise.results.records import RANKING
from equipoise.time_plan.plan import Outlook, TimePlan

LABELS = {ACCURACY: "balanced accuracy", RANKING: "AUROC"}


def choices_in_words(plan: TimePlan) -> dict[str, str]:
    """Return every choice of a plan in words."""
    setting = plan.setting
    weights = f" ({setting.pretrained})" if setting.pretrained else ""
    values = {
        "regime": f"{setting.regime}, {setting.network}{weights}",
        "size": f"{setting.size} px",
    }
    if setting.gan_side is not None and plan.generates:
        values["size"] += f", generators at {setting.gan_side} px (--gan-size)"
    if setting.n_steps is not None:
        values["steps"] = f"{setting.n_steps:,} of {setting.batch_size} images"
    values["methods"] = ", ".join(plan.methods)
    values["splits"] = str(plan.now.n_splits)
    for method, limit in plan.split_limits.items():
        values["splits"] += f", {limit} of them for {method}"
    values["seeds"] = str(plan.now.n_seeds)
    return values


def promise(outlook: Outlook) -> str:
    """Return what a number of splits and seeds finds, in words."""
    differences = differences_in_words(outlook.detectable)
    runs = f"{plural(outlook.n_splits, 'split')} x {plural(outlook.n_seeds, 'seed')}"
    if not differences:
        too_few = any(difference is not None for difference in outlook.detectable.values())
        why = "so few runs find nothing" if too_few else "there is nothing to compare"
        obstacle = outlook.obstacle or why
        return f"{runs} distinguish no method from the baseline, as {obstacle}"
    sentence = f"{runs} find a true difference of {differences} four times in five"
    if outlook.limited is None:
        return sentence
    of_limited = differences_in_words(outlook.limited.detectable) or "none"
    splits = plural(outlook.limited.n_splits, "split")
    return f"{sentence}, and of {', '.join(outlook.limits)}, on {splits}, {of_limited}"


def differences_in_words(detectable: Mapping[str, float | None]) -> str:
    """Return the detectable differences of all metrics that have one below 1, in words.

    Example:
        >>> differences_in_words({"balanced_accuracy": 0.05, "auroc": 0.021})
        '0.050 in balanced accuracy and of 0.021 in AUROC'
        >>> differences_in_words({"balanced_accuracy": 1.3, "auroc": 0.6})
        '0.600 in AUROC'
    """
    parts = []
    for metric, label in LABELS.items():
        difference = detectable.get(metric)
        if difference is not None and difference < 1:  # the metrics end at 1
            parts.append(f"{difference:.3f} in {label}")
    return " and of ".join(parts)
