"""Which networks of a run of volumes segment a case: those of the best method, and none that saw the case."""

from collections.abc import Sequence

import numpy as np

from equipoise.data.volumes.options import RawCase
from equipoise.deployment.classify import FINISHED, Panel, panel_of
from equipoise.discovery import pick
from equipoise.exceptions import SettingError
from equipoise.experiments.region_metrics import region_metrics
from equipoise.metrics.statistics import mean_known
from equipoise.results.best_method import best_with_reason
from equipoise.runs.known_cases import case_names, known_as, tested_in
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore
from equipoise.runs.volume_run import VolumeRun


def choose_segmenters(
    store: RunStore, *, method: str | None = None, split: str | None = None, seed: int | None = None
) -> Panel:
    """Choose the finished cells of a method; see `equipoise.deployment.classify.choose_panel`.

    Raises:
        DataError: No run, or no finished cell.
        SettingError: No such method, split or seed, or none of it has finished.
    """
    run = open_run(store.folder).volumes
    return panel_of(
        [finished.cell for finished in run.finished],
        run.methods,
        lambda names: _best(run, names),
        folder=store.folder,
        method=method,
        split=split,
        seed=seed,
    )


def leave_out_trained(store: RunStore, panel: Panel, case: RawCase) -> tuple[Panel, str]:
    """Keep the networks that never saw a case, if it is one of the run's, and say so in a sentence.

    Raises:
        SettingError: All networks of the panel saw it.
    """
    name = known_as(case, store.study(), case_names(store.folder))
    if name is None:
        return panel, "It is none of the cases of this run."
    splits = tested_in(store.folder, name)
    kept = tuple(cell for cell in panel.cells if cell.split in splits)
    if not kept:
        where = f"Its networks without it are those of {', '.join(sorted(splits))}: ask for them, or finish them."
        raise SettingError(
            f"Case {case.id} is {name} of this run, and every network asked for has seen it. "
            f"{where if splits else 'The run has no split that tests it.'}"
        )
    n_left = len(panel.cells) - len(kept)
    return Panel(kept, panel.reason), (
        f"It is {name} of this run: of {len(panel.cells)} networks those that had seen it ({n_left}) were left "
        f"out, the others ({len(kept)}) are used."
        if n_left
        else f"It is {name} of this run; no network used has seen it."
    )


def _best(run: VolumeRun, names: Sequence[str]) -> tuple[str, str]:
    metrics = region_metrics(run.dataset.regions, run.dataset.class_names[1:])
    metric = pick(metrics, run.description.primary_metric, "metric")
    seeds = {name: run.seeds(name) for name in names}
    means = {
        name: float(mean_known(np.array([metric.rule(m)[0] for m in found.values()])))
        for name, found in seeds.items()
    }

    def basis(name: str) -> str:
        n = max(len(measures.ids) for measures in seeds[name].values())
        return f"on {n} test case{'s' * (n != 1)}"

    return best_with_reason(metric, means, basis, FINISHED)
