"""A run on volumes with trained networks, and a case that it does not have."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from equipoise.data.volumes.options import RawCase
from equipoise.data.volumes.readers.nifti import find_case
from equipoise.runs.run import Run, open_run
from equipoise.testing.volume_runs import finished_run, write_case


@dataclass(frozen=True)
class SegmentedRun:
    """An opened run of three patients, a, b and c, and the folder of their cases."""

    run: Run
    cases: Path

    def case(self, name: str) -> RawCase:
        """Find the files of a case."""
        return find_case(self.cases / name)


@pytest.fixture(scope="session")
def segmented(tmp_path_factory: pytest.TempPathFactory) -> SegmentedRun:
    """Train a tumor segmenter and a cascade on two folds; no test changes the run."""
    store, cases = finished_run(tmp_path_factory.mktemp("segmentation"))
    return SegmentedRun(open_run(store.folder), cases)


@pytest.fixture
def new_case(tmp_path: Path) -> RawCase:
    """Write a case that the run does not have."""
    return find_case(write_case(tmp_path / "new", 7))
