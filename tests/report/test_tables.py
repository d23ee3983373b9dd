"""What the tables say about known runs."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipoise.atomic import read_json, write_json
from equipoise.metrics.classification import METRICS
from equipoise.report.charts import (
    classifier_panels,
    confusion,
    generator_panels,
    prominent,
    quantity,
)
from equipoise.report.figures import styles_of
from equipoise.report.html import first_screen_warnings
from equipoise.report.overview import class_counts
from equipoise.report.run_contents import read_contents
from equipoise.report.tables import by_metric, costs, findings, forests, headline, scores

MakeRun = Callable[..., Path]


def test_the_best_mean_is_marked_in_the_metrics_direction(make_run: MakeRun) -> None:
    c = read_contents(make_run())
    found = scores(c, [METRICS["auroc"], METRICS["brier"]])
    means = {m.method: m.metrics for m in c.results.methods}
    best = [next(name for name in found if found[name][i].best) for i in range(2)]
    assert best[0] == max(means, key=lambda name: means[name]["auroc"].mean)
    assert best[1] == min(means, key=lambda name: means[name]["brier"].mean)


def test_the_primary_metric_leads_and_comes_once(make_run: MakeRun) -> None:
    c = read_contents(make_run())
    names = [metric.name for metric in headline(c)]
    assert names[0] == c.results.decisive_metric
    assert len(set(names)) == len(names)


def test_a_forest_holds_all_its_intervals(make_run: MakeRun) -> None:
    for forest in forests(read_contents(make_run())):
        places = [forest.axis.place(end) for row in forest.rows for end in (row.low, row.high)]
        assert len(forest.rows) == 4
        assert 0 <= min(places) <= max(places) <= 100


def test_costs_are_means_and_share_one_scale(make_run: MakeRun) -> None:
    found = costs(read_contents(make_run()))
    assert found["dcgan"].seconds == pytest.approx(
        {"resample": 42.0, "train": 12.8, "predict": 0.4}
    )
    assert found["dcgan"].bar == 100
    assert found["none"].bar == pytest.approx(100 * 13.22 / 55.2, abs=0.1)
    assert found["none"].device_memory is None


def test_counts_and_the_small_class(make_run: MakeRun) -> None:
    c = read_contents(make_run(counts=(600, 40)))
    rare = class_counts(c)[1]
    assert (rare.rare, rare.count, rare.parts["test"]) == (True, "40", "10")
    pattern = r"Few test images .*: 10 of carcinoma, where one image changes recall by 0\.100\."
    assert any(re.match(pattern, warning) for warning in first_screen_warnings(c))


def test_synthetic_images_that_are_much_alike_are_named(make_run: MakeRun) -> None:
    run = make_run()
    for method, share in {"dcgan": 0.07, "cdcgan": 0.8}.items():
        for path in run.glob(f"cells/{method}/*/*/record.json"):
            write_json(path, {**read_json(path), "diversity": {"0": 0.1, "1": share}})
    alike = [w for w in first_screen_warnings(read_contents(run)) if "alike" in w]
    assert len(alike) == 1
    assert re.search("carcinoma .*dcgan .* 7 %", alike[0])


def test_a_threshold_that_runs_do_not_agree_on_is_named(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = read_contents(make_run())
    spread = [0.11, 0.3, 0.35, 0.4, 0.74]
    monkeypatch.setattr("equipoise.report.overview.advised_thresholds", lambda *_: spread)
    (said,) = [w for w in first_screen_warnings(c) if "advised threshold" in w]
    assert "over 5 runs it is 0.11 to 0.74 (median 0.35, half of the runs 0.30 to 0.40)" in said
    monkeypatch.setattr("equipoise.report.overview.advised_thresholds", lambda *_: spread[1:4])
    assert not [w for w in first_screen_warnings(c) if "advised threshold" in w]


def test_the_terminal_does_not_repeat_what_it_said_of_the_images(make_run: MakeRun) -> None:
    c = read_contents(make_run(skipped=["film.png: truncated"], notes=["Some are gray."]))
    everything, new = first_screen_warnings(c), first_screen_warnings(c, of_input=False)
    repeated = set(everything).difference(new)
    assert "Some are gray." in repeated
    assert any("could not be read" in text for text in repeated)
    assert not repeated.intersection(new)


def test_methods_that_are_one_are_named_with_the_reason(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = read_contents(make_run())
    pairs = [("class_weights", "crt")]
    monkeypatch.setattr("equipoise.report.overview.same_predictions", lambda _: pairs)
    (said,) = [w for w in first_screen_warnings(c) if "class_weights and crt predict" in w]
    assert "head" not in said
    monkeypatch.setattr("equipoise.report.overview.is_frozen", lambda _: True)
    (said,) = [w for w in first_screen_warnings(c) if "class_weights and crt predict" in w]
    assert "end in the same head" in said


def test_skipped_files_are_counted(make_run: MakeRun) -> None:
    run = make_run(skipped=[f"film-{i}.png: truncated" for i in range(7)])
    c = read_contents(run, names=True)
    said = first_screen_warnings(c)
    assert any("7 files" in w and "film-4.png" in w and "film-5.png" not in w for w in said)


def test_confusion_cells_have_counts_and_shares_of_the_truth() -> None:
    cells = confusion(np.array([[30, 10], [0, 0]]))
    assert [(cell.count, cell.percent) for cell in cells[0]] == [("30", "75%"), ("10", "25%")]
    assert cells[0][0].color == "#fff"
    assert cells[1][0].background == "rgb(255,255,255)"


def test_curves_of_classifiers_and_generators_are_told_apart(make_run: MakeRun) -> None:
    c = read_contents(make_run())
    titles = [panel.title for panel in classifier_panels(c, styles_of(c.methods, ink="none"))]
    assert titles == ["validation balanced accuracy", "validation loss", "loss"]
    [(title, panels)] = generator_panels(c, "dcgan").items()
    assert title == "balance: carcinoma"
    assert [[line.label for line in panel.named] for panel in panels] == [
        ["critic loss", "generator loss"],
        ["real score", "fake score"],
        ["training score", "generated score", "validation score"],
    ]
    assert generator_panels(c, "none") == {}


def test_charts_show_the_baseline_and_the_best_of_many_methods(make_run: MakeRun) -> None:
    few = read_contents(make_run())
    assert prominent(few) == list(few.methods)
    names = ("none", *(f"method-{i}" for i in range(10)))
    many = read_contents(make_run(methods=names, absent=("method-9",), n_splits=1, n_seeds=1))
    shown = prominent(many)
    means = {
        m.method: m.metrics["decided_balanced_accuracy"].mean
        for m in many.results.methods
        if m.metrics
    }
    left_out = [name for name in means if name not in shown]
    assert len(shown) == 8
    assert shown == [name for name in names if name in shown]
    assert "none" in shown
    assert max(means[name] for name in left_out) <= min(
        means[name] for name in shown if name != "none"
    )


def test_what_is_recorded_beside_the_usual_has_a_panel_of_its_own(make_run: MakeRun) -> None:
    folder = make_run()
    path = folder / "cells" / "dcgan" / "split-0" / "seed-0" / "history.csv"
    path.write_text(
        path.read_text() + "balance/class 1,10,penalty,0.5\nbalance/class 1,20,penalty,0.4\n"
    )
    [panels] = generator_panels(read_contents(folder), "dcgan").values()
    assert panels[-1].title == "Penalty"


def test_synthetic_images_come_in_the_order_of_the_methods(make_run: MakeRun) -> None:
    assert list(read_contents(make_run(failed=("dcgan",))).run.synthetic) == ["dcgan", "cdcgan"]


def test_names_of_quantities() -> None:
    assert quantity("validation_auroc") == "validation AUROC"
    assert quantity("critic_loss") == "critic loss"


def test_the_findings_repeat_the_comparisons(make_run: MakeRun) -> None:
    c = read_contents(make_run())
    metrics, rows = findings(c)
    assert [metric.name for metric in metrics] == list(by_metric(c.results.comparisons))
    assert [row.method for row in rows] == [name for name in c.methods if name != "none"]
    for row in rows:
        for metric, difference in zip(metrics, row.differences, strict=True):
            assert difference in c.results.compared_on(metric.name)
            assert difference is not None
            assert difference.method == row.method
