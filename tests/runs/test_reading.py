"""`Reading`: how the data of a run were read."""

import pickle

import pytest

from equipoise.data.images.options import ReadOptions
from equipoise.data.volumes.options import VolumeOptions
from equipoise.runs.reading import Reading


@pytest.mark.parametrize("kind", [ReadOptions, VolumeOptions])
def test_a_progress_bar_is_not_kept(kind: type[ReadOptions] | type[VolumeOptions]) -> None:
    """A study with its reading is sent to worker processes, and a bar's function cannot be."""
    options = kind(progress=lambda _done, _n: None)
    reading = Reading(source="images", options=options)
    assert pickle.dumps(reading)
    assert reading.options == kind()


def test_options_survive_json() -> None:
    reading = Reading(
        source="images", options=ReadOptions(size=48, groups=r"p(\d+)"), duplicates="merge"
    )
    assert Reading.from_json(reading.to_json()) == reading
