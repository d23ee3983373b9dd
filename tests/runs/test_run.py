"""One reader of a run: what it reads, how often, and in what order."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.atomic import read_arrays, write_json
from equipoise.exceptions import DataError
from equipoise.metrics.statistics import patient_draws
from equipoise.report.html import write_report
from equipoise.results.bootstrap_scores import N_DRAWS
from equipoise.results.tables import write_all_tables
from equipoise.runs import run as run_module
from equipoise.runs.cell import Cell
from equipoise.runs.outcome import write_history
from equipoise.runs.run import Run, open_run

WriteRun = Callable[..., Path]
ARMS = {"none": (1.2, -1.0), "crt": (1.2, 0.0), "gan": (1.5, 0.0)}


def test_cells_are_in_the_order_of_methods_splits_and_seeds(write_run: WriteRun) -> None:
    run = open_run(write_run(ARMS, n_splits=2, n_seeds=2))
    assert run.cells[:5] == (
        Cell("none", "split-0", 0),
        Cell("none", "split-0", 1),
        Cell("none", "split-1", 0),
        Cell("none", "split-1", 1),
        Cell("crt", "split-0", 0),
    )
    assert tuple(run.records) == run.cells == tuple(f.cell for f in run.images.finished)


def test_scores_of_many_cells_lie_in_files(
    write_run: WriteRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EQUIPOISE_CACHE", str(tmp_path))
    in_memory = open_run(write_run(ARMS, n_splits=2)).images
    monkeypatch.setattr("equipoise.image_rows._limit", 0)
    monkeypatch.setattr("equipoise.data.scratch.FILE_BYTES", 10_000)
    in_files = open_run(write_run(ARMS, n_splits=2)).images
    for first, second in zip(in_memory.finished, in_files.finished, strict=True):
        for part in ("predictions", "validation"):
            before, after = getattr(first, part), getattr(second, part)
            np.testing.assert_array_equal(before.y_score, after.y_score)
            np.testing.assert_array_equal(before.y_true, after.y_true)
        assert not second.predictions.y_score.flags.owndata
    ids = {id(cell.ids) for cell in in_files.finished}
    assert len(ids) == 2  # those of a split are in memory once


def test_finished_failed_and_missing_cells(write_run: WriteRun) -> None:
    failed, missing = ("crt", "split-0", 1), ("gan", "split-0", 2)
    run = open_run(write_run(ARMS, failed=[failed], missing=[missing]))
    assert [record.cell for record in run.failed] == [Cell(*failed)]
    assert run.failed_of("crt")[0].error_type == "DivergedError"
    assert (len(run.finished), len(run.finished_of("crt")), run.n_missing) == (7, 2, 1)
    assert Cell(*missing) not in run.records
    assert [len(run.images.cells_of(name)) for name in ARMS] == [3, 2, 2]
    assert run.images.rows_of("crt").tolist() == [3, 4]


def test_test_images_are_sorted_by_their_ids(write_run: WriteRun) -> None:
    folder = write_run(ARMS)
    path = folder / "cells/gan/split-0/seed-0/predictions.npz"
    before = open_run(folder).images.cells_of("gan")[0]
    with np.load(path) as stored:
        np.savez(path, allow_pickle=False, **{name: stored[name][::-1] for name in stored.files})
    after = open_run(folder).images.cells_of("gan")[0]
    assert after.ids.tolist() == before.ids.tolist() == sorted(before.ids.tolist())
    assert np.array_equal(after.predictions.y_score, before.predictions.y_score)
    assert after.validation_ids.tolist() == before.validation_ids.tolist()[::-1]


def test_methods_that_add_images_are_those_with_synthetic_ones(write_run: WriteRun) -> None:
    folder = write_run(ARMS)
    images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1)
    path = folder / "cells/gan/split-0/seed-1/synthetic.npz"
    np.savez(path, images=images, labels=np.array([0, 1, 1, 0]))
    run = open_run(folder)
    assert run.images.adding == ("gan",)
    assert list(run.synthetic) == ["gan"]
    assert run.synthetic["gan"].of_class(1).ravel().tolist() == [1, 2]
    assert run.synthetic["gan"].origin == "split-0, seed 1"
    assert run.examples is None
    assert run.duplicates is None
    assert not run.histories


def test_synthetic_images_and_histories_come_in_the_order_of_training(write_run: WriteRun) -> None:
    folder = write_run(ARMS, n_splits=2)
    for place in ("split-0/seed-1", "split-1/seed-0"):
        path = folder / "cells/gan" / place
        np.savez(path / "synthetic.npz", images=np.zeros((1, 1, 1, 1)), labels=np.zeros(1))
        write_history(
            path / "history.csv", [("classify", 1, "loss", 0.5), ("classify", 2, "loss", 0.25)]
        )
    run = open_run(folder)
    assert run.synthetic["gan"].origin == "split-1, seed 0"
    assert list(run.histories) == [Cell("gan", "split-1", 0), Cell("gan", "split-0", 1)]
    assert run.histories[Cell("gan", "split-1", 0)] == {("classify", "loss"): [(1, 0.5), (2, 0.25)]}


def test_a_damaged_record_is_named(write_run: WriteRun) -> None:
    folder = write_run(ARMS)
    write_json(folder / "cells/gan/split-0/seed-1/record.json", {"status": "done"})
    with pytest.raises(DataError, match=r"gan/split-0/seed-1/record\.json"):
        open_run(folder)


def test_a_run_on_images_has_no_volumes(write_run: WriteRun) -> None:
    with pytest.raises(DataError, match="on images"):
        _ = open_run(write_run(ARMS)).volumes


def test_tables_and_report_read_predictions_once_and_draw_each_bootstrap_once(
    write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = ("crt", "split-0", 1)
    folder = write_run(ARMS, n_splits=2, failed=[failed])
    np.savez(
        folder / "cells/gan/split-0/seed-0/synthetic.npz",
        images=np.zeros((1, 1, 8, 8), np.uint8),
        labels=np.ones(1, dtype=np.int64),
    )
    reads: Counter[Path] = Counter()
    draws: Counter[int] = Counter()

    def counted_arrays(path: Path) -> dict[str, Any]:
        reads[path] += 1
        return read_arrays(path)

    def counted_draws(*args: Any, n_draws: int, **kwargs: Any) -> Any:
        draws[n_draws] += 1
        return patient_draws(*args, n_draws=n_draws, **kwargs)

    monkeypatch.setattr(run_module, "read_arrays", counted_arrays)
    monkeypatch.setattr("equipoise.results.bootstrap_scores.patient_draws", counted_draws)
    run: Run = open_run(folder)
    page = write_report(run, write_all_tables(run)).read_text(encoding="utf-8")
    predictions = [n for path, n in reads.items() if path.name == "predictions.npz"]
    assert predictions == [1] * (len(run.cells) - 1)
    assert draws == {N_DRAWS: 2}  # of the metrics, and of the operating points
    # One failed cell, whose record has neither device nor seconds, costs nobody the report.
    assert "DivergedError" in page


def test_without_a_finished_cell_the_first_failure_is_named(write_run: WriteRun) -> None:
    cells = [Cell(method, "split-0", seed) for method in ("none", "crt") for seed in range(2)]
    arms = {"none": (1.0, 0.0), "crt": (1.0, 0.0)}
    failed = [(cell.method, cell.split, cell.seed) for cell in cells]
    run = open_run(write_run(arms, n_seeds=2, failed=failed))
    with pytest.raises(DataError, match=r"got none: 4 cells failed \(none, split-0, seed 0: criti"):
        run.require_finished()
    with pytest.raises(DataError, match=r"of crt in .*: 2 cells failed \(crt, split-0, seed 0: "):
        run.require_finished("crt")
    some = open_run(write_run(arms, name="some", n_seeds=2, failed=failed[2:]))
    assert some.require_finished() == cells[:2]
    with pytest.raises(DataError, match="of crt"):
        some.require_finished("crt")
    none_yet = open_run(write_run(arms, name="new", n_seeds=2, missing=failed))
    with pytest.raises(DataError, match=r"got none\. Repeat the command"):
        none_yet.require_finished()
