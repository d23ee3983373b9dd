"""Regions that a method never draws, and studies of a handful of patients."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.runner import run_study
from equipoise.experiments.study import Study
from equipoise.results.regime.check import check_regime
from equipoise.results.regime.volumes import few_cases, never_segmented
from equipoise.results.volume_tables import summarize_volumes
from equipoise.runs.run import open_run
from equipoise.runs.store import RunStore
from equipoise.runs.volume_run import VolumeRun

MakeStudy = Callable[..., Study]


@pytest.fixture
def folder(make_volume_study: MakeStudy, tmp_path: Path) -> Path:
    """A finished run: two methods, three folds of two patients, two seeds."""
    run_study(make_volume_study(), RunStore(tmp_path / "run"), executor=InProcess())
    return tmp_path / "run"


def without(volumes: VolumeRun, method: str, region: str) -> VolumeRun:
    """Empty a region in all label maps of a method: nothing hit, all voxels missed."""
    cells = []
    for cell in volumes.finished:
        measures = cell.measures
        if cell.cell.method == method:
            counts = dict(measures.regions[region])
            counts["fn"] = counts["fn"] + counts["tp"]
            counts["tp"] = counts["fp"] = np.zeros_like(counts["tp"])
            measures = replace(measures, regions={**measures.regions, region: counts})
        cells.append(replace(cell, measures=measures))
    return replace(volumes, finished=tuple(cells))


def test_healthy_segmenters_are_left_alone(folder: Path) -> None:
    volumes = open_run(folder).volumes
    assert not list(never_segmented(volumes))
    assert not list(few_cases(volumes))


def test_a_region_that_is_never_drawn_is_named(folder: Path) -> None:
    volumes = open_run(folder).volumes
    region = next(iter(volumes.dataset.regions))
    (warning,) = never_segmented(without(volumes, "brighter", region))
    assert (warning.kind, warning.methods) == ("nothing segmented", ("brighter",))
    assert region in warning.text


def test_fewer_than_six_patients_are_few(folder: Path) -> None:
    volumes = open_run(folder).volumes
    first = tuple(cell for cell in volumes.finished if cell.cell.split.endswith(("0", "1")))
    (warning,) = few_cases(replace(volumes, finished=first))
    assert warning.numbers == {"test patients": 4}


def test_a_run_on_volumes_is_checked_whole(folder: Path) -> None:
    run = open_run(folder)
    kinds = {warning.kind for warning in check_regime(run, summarize_volumes(run))}
    assert kinds == {"trained too briefly"}  # the fake segmenter records one step
