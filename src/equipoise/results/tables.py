"""The tables of a run, whatever it is about: images are classified, volumes segmented."""

from pathlib import Path

from equipoise.results.checkpoints import checkpoint_rows, write_checkpoints
from equipoise.results.curation_effect import curation_effect, write_curation
from equipoise.results.dose_response import dose_response, write_dose
from equipoise.results.image_tables import summarize, write_image_tables
from equipoise.results.operating_points import tabulate_operating, write_operating
from equipoise.results.own_thresholds import threshold_rows, write_thresholds
from equipoise.results.records import Results
from equipoise.results.textbook_tests import second_opinions, write_second_opinions
from equipoise.results.volume_tables import summarize_volumes, write_volume_tables
from equipoise.runs.description import SEGMENTATION
from equipoise.runs.run import Run, open_run


def summarize_run(run: Run | str | Path) -> Results:
    """Compute the results of a run, complete or not, from its stored predictions or measures.

    Args:
        run: The run, or its folder.

    Raises:
        DataError: Its cells cannot be compared.
        SettingError: The study's primary metric is unknown.
    """
    if not isinstance(run, Run):
        run = open_run(run)
    if run.description.task == SEGMENTATION:
        return summarize_volumes(run)
    return summarize(run)


def write_all_tables(run: Run) -> Results:
    """Write every table of a run beside its cells, and return the results.

    The report takes these results, so that the bootstrap behind them is drawn once.
    """
    results = summarize_run(run)
    if run.description.task == SEGMENTATION:
        write_volume_tables(results, run)
        return results
    write_image_tables(results, run.folder)
    write_checkpoints(checkpoint_rows(run.images, results), run.folder)
    write_thresholds(list(threshold_rows(run.images)), run.folder)
    write_operating(tabulate_operating(run.images), run.folder)
    write_dose(dose_response(run.images), run.folder)
    write_curation(curation_effect(run.images), run.folder)
    write_second_opinions(second_opinions(run.images, results.comparisons), run.folder)
    return results
