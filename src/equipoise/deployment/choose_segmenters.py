"""Choose which networks of a run segment a case: the best method's, not trained on it."""

from collections.abc import Sequence

import numpy as np

from equipoise.data.volumes.options import RawCase
from equipoise.deployment.classify import FINISHED, Ensemble, choose_ensemble
from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.experiments.region_metrics import region_metrics
from equipoise.metrics.statistics import mean_known
from equipoise.results.best_method import best_with_reason
from equipoise.runs.known_cases import (
    case_names,
    case_of_content,
    case_of_name,
    splits_testing,
)
from equipoise.runs.run import Run


def choose_segmenters(
    run: Run, *, method: str | None = None, split: str | None = None, seed: int | None = None
) -> Ensemble:
    """Choose the finished cells of a method.

    Args:
        run: A run on volumes.
        method: The method; None for the one with the best mean of the primary metric over seeds.
        split: Split of the cells; None for all.
        seed: Seed of the cells; None for all.

    Raises:
        DataError: A run on images, or no finished cell of the method.
        SettingError: No such method, split or seed.

    See Also:
        `equipoise.deployment.classify.choose_classifiers`: the same of a run on images.
    """
    volumes = run.volumes

    def choose_best(methods: Sequence[str]) -> tuple[str, str]:
        metrics = region_metrics(volumes.dataset.regions, volumes.dataset.class_names[1:])
        metric = pick(metrics, run.description.primary_metric, "metric")
        means, n_cases = {}, {}
        for name in methods:
            values = []
            n_cases[name] = 0
            for measures in volumes.seeds(name).values():
                values.append(metric.rule(measures)[0])
                n_cases[name] = max(n_cases[name], len(measures.ids))
            means[name] = float(mean_known(np.array(values)))

        def basis(name: str) -> str:
            return f"on {n_cases[name]} test case{'s' * (n_cases[name] != 1)}"

        return best_with_reason(metric, means, basis, FINISHED)

    return choose_ensemble(run, choose_best, method=method, split=split, seed=seed)


def leave_out_trained(run: Run, ensemble: Ensemble, case: RawCase) -> tuple[Ensemble, str]:
    """Select the networks that were neither trained nor chosen on a case.

    Returns:
        The ensemble without the networks that were trained or chosen on the case, and a sentence
        that says so.

    Raises:
        SettingError: All networks of the ensemble saw it.
    """
    images = run.description.volumes.images or {}  # earlier versions did not store them
    content = case_of_content(case, images)
    name = content or case_of_name(case, case_names(run.folder))
    if name is None:
        return ensemble, "It is none of the cases of this run."
    is_known = f"It is {name} of this run"
    if content is None:
        is_known = f"It is named like {name} of this run (rename it if it is another patient)"
    splits = splits_testing(run.folder, name)
    unseen = tuple(cell for cell in ensemble.cells if cell.split in splits)
    if not unseen:
        fix = "The run has no split that tests it."
        if splits:
            names = ", ".join(sorted(splits))
            fix = f"Its networks without it are those of {names}: request them, or finish them."
        raise SettingError(
            f"Case {case.id}: {is_known}, and every requested network has seen it. {fix}"
        )
    n_seen = len(ensemble.cells) - len(unseen)
    if not n_seen:
        return ensemble, f"{is_known}; no network used has seen it."
    return Ensemble(unseen, ensemble.reason), (
        f"{is_known}: {len(unseen)} of {len(ensemble.cells)} networks are used, "
        f"those that have not seen it."
    )
