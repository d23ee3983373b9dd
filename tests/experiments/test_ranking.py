"""Methods ranked over data sets: Demsar's example, SciPy, and runs that cannot be ranked."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from equipoise.exceptions import DataError, SettingError
from equipoise.experiments.ranking import rank_runs

# Demsar 2006, table 6: AUROC of C4.5 without and with m, cf, m+cf on 14 data sets. The last two of the voting data
# are printed alike (.975) and ranked 2 and 3.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975, 0.9749], [0.957, 0.978, 0.946, 0.970],
    ]
)  # fmt: skip


def write_table(folder: Path, values: dict[str, float | None], metric: str = "balanced_accuracy") -> Path:
    folder.mkdir(parents=True)
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("method", "metric", "mean"))
        writer.writerows((name, metric, "" if value is None else value) for name, value in values.items())
    return folder


def folders(tmp_path: Path, values: Sequence[Sequence[float]], metric: str = "balanced_accuracy") -> list[Path]:
    names = [f"method-{i}" for i in range(len(values[0]))]
    return [
        write_table(tmp_path / f"set-{i}", dict(zip(names, row, strict=True)), metric)
        for i, row in enumerate(values)
    ]


def test_runs_are_ranked_by_the_methods_they_share(tmp_path: Path) -> None:
    runs = folders(tmp_path, DEMSAR.tolist())
    write_table(tmp_path / "more", {"method-9": 0.9})
    text = (runs[0] / "table.csv").read_text() + "method-9,balanced_accuracy,0.9\nmethod-8,balanced_accuracy,\n"
    (runs[0] / "table.csv").write_text(text)
    ranking = rank_runs(runs)
    assert ranking.methods == ("method-3", "method-1", "method-2", "method-0")
    assert_allclose(ranking.ranks, [1.964, 2.000, 2.893, 3.143], atol=5e-4)
    assert (ranking.n_sets, ranking.left_out) == (14, ("method-9",))
    assert_allclose([ranking.chi2, ranking.f, ranking.critical_difference], [9.28, 3.69, 1.25], atol=0.005)


def test_a_metric_that_should_be_small_is_ranked_from_below(tmp_path: Path) -> None:
    runs = folders(tmp_path, [[0.1, 0.2, 0.3]] * 3, metric="brier")
    assert rank_runs(runs, "brier").methods[0] == "method-0"
    runs = folders(tmp_path / "other", [[0.1, 0.2, 0.3]] * 3)
    assert rank_runs(runs).methods[0] == "method-2"


def test_the_published_studies_can_be_ranked() -> None:
    results = Path(__file__).parents[2] / "docs" / "results"
    ranking = rank_runs([results / name for name in ("all_methods", "covid_xray", "herlev_two", "herlev_seven")])
    assert set(ranking.methods) == {"none", "class_weights", "oversampling", "dcgan", "cdcgan"}
    assert ranking.cliques == ((0, 4),)


def test_what_cannot_be_ranked_is_refused(tmp_path: Path) -> None:
    runs = folders(tmp_path, [[0.1, 0.2, 0.3]] * 3)
    with pytest.raises(DataError, match="3 or more different run folders, got 2"):
        rank_runs(runs[:2])
    with pytest.raises(DataError, match="3 or more different run folders, got 4"):
        rank_runs([*runs, runs[0]])
    with pytest.raises(DataError, match=r"got method-0\. Run the same"):
        rank_runs([*runs, write_table(tmp_path / "other", {"method-0": 0.3, "else": 0.2})])
    with pytest.raises(DataError, match=r"no table\.csv"):
        rank_runs([*runs, tmp_path])
    with pytest.raises(SettingError, match="metric"):
        rank_runs(runs, "balanced_acuracy")
