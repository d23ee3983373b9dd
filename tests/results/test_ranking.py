"""Methods ranked over data sets: Demsar's example, SciPy, and runs that cannot be ranked."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest
from numpy.testing import assert_allclose

from equipoise.exceptions import DataError, SettingError
from equipoise.results.ranking import rank_runs

# Ranks 3 2 1, 3 1 2, 3 2 1, 3 2 1, 1 2 3, on average 2.6, 1.8, 1.6.
VALUES = [[0.1, 0.2, 0.3], [0.1, 0.3, 0.2], [0.5, 0.6, 0.7], [0.2, 0.4, 0.9], [0.9, 0.8, 0.7]]


def write_table(
    folder: Path, values: dict[str, float | None], metric: str = "decided_balanced_accuracy"
) -> Path:
    folder.mkdir(parents=True)
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("method", "metric", "mean"))
        writer.writerows(
            (name, metric, "" if value is None else value) for name, value in values.items()
        )
    return folder


def folders(
    tmp_path: Path, values: Sequence[Sequence[float]], metric: str = "decided_balanced_accuracy"
) -> list[Path]:
    names = [f"method-{i}" for i in range(len(values[0]))]
    return [
        write_table(tmp_path / f"set-{i}", dict(zip(names, row, strict=True)), metric)
        for i, row in enumerate(values)
    ]


def test_runs_are_ranked_by_the_methods_they_share(tmp_path: Path) -> None:
    """Compare with numbers computed by hand.

    chi2 = 12 x 5 / 12 (6.76 + 3.24 + 2.56 - 12) = 2.8, F = 4 x 2.8 / (10 - 2.8),
    CD = 2.344 sqrt(12 / 30).
    """
    runs = folders(tmp_path, VALUES)
    text = (runs[0] / "table.csv").read_text()
    text += "method-9,decided_balanced_accuracy,0.9\nmethod-8,decided_balanced_accuracy,\n"
    (runs[0] / "table.csv").write_text(text)
    ranking = rank_runs(runs)
    assert ranking.methods == ("method-2", "method-1", "method-0")
    assert_allclose(ranking.ranks, [1.6, 1.8, 2.6])
    assert ranking.left_out == ("method-9",)
    assert ranking.sets == tuple(f"set-{i}" for i in range(5))
    assert ranking.values == tuple(tuple(row[i] for row in VALUES) for i in (2, 1, 0))
    assert ranking.best == (0.3, 0.3, 0.7, 0.9, 0.9)
    assert_allclose([ranking.chi2, ranking.f], [2.8, 14 / 9])
    assert_allclose(ranking.critical_difference, 1.482, atol=5e-4)
    assert ranking.cliques == ((0, 2),)


def test_a_metric_that_should_be_small_is_ranked_from_below(tmp_path: Path) -> None:
    runs = folders(tmp_path, [[0.1, 0.2, 0.3]] * 3, metric="brier")
    assert rank_runs(runs, "brier").methods[0] == "method-0"
    assert rank_runs(runs, "brier").best == (0.1, 0.1, 0.1)
    assert rank_runs(runs, "brier").values[0] == (0.1, 0.1, 0.1)
    runs = folders(tmp_path / "other", [[0.1, 0.2, 0.3]] * 3)
    assert rank_runs(runs).methods[0] == "method-2"


def test_runs_of_one_name_are_named_by_their_paths(tmp_path: Path) -> None:
    runs = []
    for name in "abc":
        runs += folders(tmp_path / name, [[0.1, 0.2, 0.3]])
    assert rank_runs(runs).sets == tuple(map(str, runs))


def test_the_published_studies_can_be_ranked() -> None:
    results = Path(__file__).parents[2] / "docs" / "results"
    ranking = rank_runs(
        [results / name for name in ("all_methods", "covid_xray", "herlev_two", "herlev_seven")],
        "balanced_accuracy",  # of before methods were compared at their own thresholds
    )
    assert set(ranking.methods) == {"none", "class_weights", "oversampling", "dcgan", "cdcgan"}
    assert ranking.cliques == ((0, 4),)


def test_what_cannot_be_ranked_is_refused(tmp_path: Path) -> None:
    runs = folders(tmp_path, [[0.1, 0.2, 0.3]] * 3)
    with pytest.raises(DataError, match=r"at least 3 .*got 2"):
        rank_runs(runs[:2])
    with pytest.raises(DataError, match=r"at least 3 .*got 3, some named twice"):
        rank_runs([*runs, runs[0]])
    with pytest.raises(DataError, match=r"got 1 \('method-0'\)"):
        rank_runs([*runs, write_table(tmp_path / "other", {"method-0": 0.3, "else": 0.2})])
    with pytest.raises(DataError, match=r"no table\.csv"):
        rank_runs([*runs, tmp_path])
    with pytest.raises(SettingError, match="metric"):
        rank_runs(runs, "balanced_acuracy")


def test_a_table_without_the_metric_is_named(tmp_path: Path) -> None:
    runs = folders(tmp_path, [[0.1, 0.2, 0.3]] * 3, metric="balanced_accuracy")
    with pytest.raises(DataError, match=r"set-0.*equipoise report"):
        rank_runs(runs)


def test_a_run_without_a_finished_cell_is_named(tmp_path: Path) -> None:
    runs = folders(tmp_path, [[0.1, 0.2, 0.3]] * 3)
    lines = ["method,n_failed,metric,mean"]
    for metric in ("auroc", "decided_balanced_accuracy"):
        lines += [f"none,4,{metric},", f"smote,3,{metric},"]
    (runs[1] / "table.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"finished cell in .*set-1, got none: 7 failed"):
        rank_runs(runs)
    (runs[1] / "table.csv").write_text("\n".join(lines[:1]))
    with pytest.raises(DataError, match=r"set-1, got none\. "):
        rank_runs(runs)


def test_a_run_on_volumes_is_named(tmp_path: Path) -> None:
    runs = folders(tmp_path, [[0.1, 0.2, 0.3]] * 3)
    volumes = write_table(tmp_path / "volumes", {"balanced": 0.3}, "mean_dice")
    with pytest.raises(DataError, match=r"on images in .*volumes, got .*mean_dice"):
        rank_runs([*runs, volumes])
    with pytest.raises(DataError, match=r"on images in .*volumes, (.|\n)*no table\.csv in .*gone"):
        rank_runs([*runs, volumes, tmp_path / "gone"])
