"""What a pilot leaves behind when its cells are discarded."""

from pathlib import Path

import numpy as np

from equipoise.atomic import write_json
from equipoise.experiments.running.executors import InProcess
from equipoise.experiments.running.protocols import Observer
from equipoise.runs.stage_seconds import StageClock
from equipoise.runs.store import SHARED_FILES, RunStore
from equipoise.time_plan.pilot import Pilot


def test_discarded_files_leave_no_checksums(tmp_path: Path) -> None:
    pilot = Pilot(
        store=RunStore(tmp_path), executor=InProcess(), observer=Observer(), stages=StageClock()
    )
    for name in (*SHARED_FILES, "plan.json"):
        write_json(tmp_path / name, 1, checksum=True)
    (tmp_path / "cells/none/split-0/seed-0").mkdir(parents=True)
    np.save(tmp_path / "cells/none/split-0/seed-0/x.npy", 1)
    pilot.discard()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".lock", "plan.json", "plan.json.sha256"]
