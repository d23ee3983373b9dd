"""The tables of a run, whatever it is about: images are classified, volumes segmented."""

from pathlib import Path

from equipoise.results.curation_effect import write_curation
from equipoise.results.dose_response import write_dose
from equipoise.results.image_tables import Results, summarize, write_tables
from equipoise.results.operating_points import write_operating
from equipoise.results.textbook_tests import write_second_opinions
from equipoise.results.volume_tables import summarize_volumes, write_volume_tables
from equipoise.runs.image_run import read_asked

SEGMENTATION = "segmentation"


def task_of(folder: Path) -> str:
    """Say what a run is about, "classification" or "segmentation".

    Raises:
        DataError: No run folder.
    """
    return str(
        read_asked(folder).get("task", "classification")
    )  # runs of earlier versions do not say


def summarize_run(folder: Path) -> Results:
    """Compute the tables of a run, complete or not; nothing but stored files is read.

    Raises:
        DataError: No run folder, or its cells cannot be compared.
        SettingError: The study's primary metric is unknown.
    """
    return (summarize_volumes if task_of(folder) == SEGMENTATION else summarize)(folder)


def write_all_tables(folder: Path) -> Results:
    """Write every table of a run beside its cells, and return the results."""
    results = summarize_run(folder)
    if task_of(folder) == SEGMENTATION:
        write_volume_tables(results, folder)
        return results
    write_tables(results, folder)
    for write in (write_operating, write_dose, write_curation):
        write(folder)
    write_second_opinions(folder, results.comparisons)
    return results
