"""`run_study`: train the cells of a study into a run folder."""

from pathlib import Path

from equipoise.exceptions import StaleRunError
from equipoise.experiments.description import describe, describe_duplicates
from equipoise.experiments.running.available_memory import copies_within
from equipoise.experiments.running.cell_record import conditions
from equipoise.experiments.running.executors import default_executor
from equipoise.experiments.running.preparation import prepare_study
from equipoise.experiments.running.protocols import Executor, Observer
from equipoise.experiments.running.train_cell import StudyTask
from equipoise.experiments.study import Study
from equipoise.names import first_names
from equipoise.runs.cell import Cell
from equipoise.runs.continuation import merge_descriptions
from equipoise.runs.store import RunStore
from equipoise.training.allocator import keep_freed_memory
from equipoise.training.progress import listening


def run_study(
    study: Study,
    store: RunStore | str | Path,
    *,
    executor: Executor | None = None,
    observer: Observer | None = None,
    retry_failed: bool = True,
) -> RunStore:
    """Train every cell of a study that its run folder does not contain yet.

    A run that was stopped at any moment continues with the same call. A cell that fails is stored
    with its traceback while the others go on; the next call tries it again.

    Args:
        study: Methods, splits, seeds and data.
        store: The run folder, created where it does not exist.
        executor: Where cells are trained; `default_executor()` where None.
        observer: Receives the progress; nobody where None.
        retry_failed: Whether to train cells again that failed in an earlier call.

    Returns:
        The run folder.

    Raises:
        StaleRunError: The folder contains results made with other settings.
        DamagedFileError: Records of its cells are damaged.
        SettingError: The folder cannot be written, or another process is writing into it.
        KeyboardInterrupt: Stopped by the user; finished cells are kept.
    """
    if not isinstance(store, RunStore):
        store = RunStore(store)
    executor = executor or default_executor()
    observer = observer or Observer()
    keep_freed_memory()
    with store.lock(), copies_within(executor.max_memory):
        description = describe(study)
        if store.description_path.is_file():
            merge_descriptions(store.description(), description, store.folder)
        _check_cells(study, store)
        duplicates = study.duplicates
        store.open(
            description,
            dataset=study.dataset,
            splits=study.splits,
            duplicates=None if duplicates is None else describe_duplicates(study, duplicates),
        )
        finished: list[Cell] = []
        remaining: list[Cell] = []
        for cell in study.cells():
            skipped = store.has_finished(cell) or (store.has_failed(cell) and not retry_failed)
            (finished if skipped else remaining).append(cell)
        if remaining:
            with listening(observer.prepared):
                prepare_study(study, store.workspace)
        observer.started(finished, remaining)
        executor.run(remaining, StudyTask(study, store), observer)
    return store


def _check_cells(study: Study, store: RunStore) -> None:
    """Check that the finished cells are of this study, whatever study.json says.

    Raises:
        StaleRunError: Cells were trained on other images or with other settings; names the first.
    """
    foreign = []
    for cell in filter(store.has_finished, study.cells()):
        if store.record(cell).fingerprint != conditions(cell, study).fingerprint:
            foreign.append(str(store.cell_folder(cell)))
    if foreign:
        raise StaleRunError(
            f"Expected cells of this study in {store.folder}, got {len(foreign)} of other images, "
            f"settings or versions: {first_names(foreign)}. Delete {store.folder / 'cells'}, or "
            "name another folder with --out."
        )
