"""The sentences of the verdict agree with the tables, and say "better" of no mere shift."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from equipoise.results.image_tables import summarize
from equipoise.results.image_verdict import sentences
from equipoise.results.records import Results
from equipoise.runs.run import open_run

WriteRun = Callable[..., Path]
EQUAL = {"none": (1.2, -1.0), "other": (1.2, -1.0, 0.3)}
ARMS = {
    "none": (1.2, -1.0),
    "shifted": (1.2, 0.0, 0.1),
    "separating": (2.6, -1.0),
    "bad": (0.2, -1.0),
}
EFFECT = r"[+-]0\.\d{3} \[[+-]0\.\d{3}, [+-]0\.\d{3}\]"
OWN = "balanced accuracy at own thresholds"


def results_of(folder: Path) -> Results:
    return summarize(open_run(folder), n_draws=200)


def test_gains_losses_and_a_mere_shift(write_run: WriteRun) -> None:
    first, second = results_of(write_run(ARMS, n_splits=3, counts=(150, 60))).verdict
    assert re.fullmatch(
        rf"Better than none in {OWN} \(positive class: class-1; 9 paired runs; .*\): "
        rf"separating {EFFECT}\.",
        first,
    )
    assert re.search(rf"AUROC, .* separating {EFFECT}; ", second)
    assert re.search(rf"at the usual threshold balanced accuracy .* shifted {EFFECT}, ", second)
    assert re.search(rf"worse than none: bad {EFFECT} in {OWN} and bad {EFFECT} in AUROC", second)


def test_a_shift_alone_is_not_called_better(write_run: WriteRun) -> None:
    arms = {"none": (1.2, -1.5), "shifted": (1.2, 0.5, 0.1)}
    results = results_of(write_run(arms, n_splits=3, counts=(150, 60)))
    first, second = results.verdict
    assert first.startswith("No method is detectably better than none")
    assert re.search(rf"balanced accuracy rises with shifted {EFFECT}", second)
    assert {judgment.word for judgment in results.judgments} == {"moves the operating point"}


def test_a_loss_at_the_usual_threshold_is_not_called_a_gain(write_run: WriteRun) -> None:
    arms = {"none": (1.2, 0.5), "shifted": (1.2, -1.5, 0.1)}
    second = results_of(write_run(arms, n_splits=3, counts=(150, 60))).verdict[1]
    assert re.search(r"balanced accuracy falls with shifted -0\.\d{3} \[", second)
    assert "no gain was detected" not in second


def test_a_loss_in_ranking_outweighs_a_gain_at_the_usual_threshold(write_run: WriteRun) -> None:
    arms = {"none": (1.8, -4.0), "oversampling": (1.0, 0.0)}
    results = results_of(write_run(arms, n_splits=3, counts=(150, 60)))
    usual = results.compared_on("balanced_accuracy")
    assert [row.verdict for row in usual] == ["better"]
    assert results.verdict[0].startswith("No method is detectably better")
    assert re.search(r"orse than none: .*oversampling -0\.\d.* in AUROC", results.verdict[1])
    assert results.judgments[0].word == "worse"


def test_ranking_alone_may_be_better(write_run: WriteRun) -> None:
    results = results_of(write_run(EQUAL, n_splits=3, counts=(60, 24)))
    ranking = replace(results.judgments[0].ranking, difference=0.1, low=0.05, verdict="better")
    ranked = replace(results.judgments[0], word="ranks better", ranking=ranking)
    first, _ = sentences(replace(results, judgments=(ranked,)))
    assert re.match(r"Better than none in AUROC \(.*\): other \+0\.100 ", first)
    assert f"no method is detectably better in {OWN}" in first


def test_the_positive_class_of_several_may_be_ranked_worse(write_run: WriteRun) -> None:
    results = results_of(write_run(EQUAL, n_splits=3, counts=(60, 40, 24)))
    row = replace(
        results.compared_on("rare_auroc")[0], difference=-0.2, low=-0.3, high=-0.1, verdict="worse"
    )
    _, second = sentences(replace(results, comparisons=(*results.comparisons, row)))
    assert re.search(r"AUROC of class-2 .* other -0\.200 \[-0\.300, -0\.100\]", second)


def test_many_gains_are_counted_behind_the_first_five(write_run: WriteRun) -> None:
    arms = {"none": (1.2, -1.0), **{f"arm-{i}": (2.6, -1.0) for i in range(8)}}
    first, _ = results_of(write_run(arms, n_splits=3, counts=(150, 60))).verdict
    assert len(re.findall(rf"arm-\d {EFFECT}", first)) == 5
    assert first.endswith(" and 3 more.")


def test_no_detectable_gain_says_how_large_a_one_could_have_been_found(write_run: WriteRun) -> None:
    results = results_of(write_run(EQUAL))
    own, ranking = (results.compared_on(name)[0].detectable for name in (OWN_NAME, "auroc"))
    first, _ = results.verdict
    assert re.fullmatch(
        rf"No method .*better than none in {OWN} \(.* {own:.3f} .*AUROC \({ranking:.3f}\).*\.",
        first,
    )


OWN_NAME = "decided_balanced_accuracy"


def test_one_split_is_about_models_trained_on_these_images(write_run: WriteRun) -> None:
    one, three = (
        results_of(write_run(EQUAL, n_splits=n, name=f"run-{n}")).verdict[0] for n in (1, 3)
    )
    assert "models trained on these images" in one
    assert "trained on these images" not in three


def test_auroc_as_the_primary_metric_is_named_once(write_run: WriteRun) -> None:
    first, second = results_of(write_run(ARMS, n_splits=3, primary_metric="auroc")).verdict
    assert re.fullmatch(rf"Better than none in AUROC \(.*\): separating {EFFECT}\.", first)
    assert re.fullmatch(rf"Worse than none: bad {EFFECT} in AUROC\.", second)


def test_a_recall_that_a_threshold_can_buy_is_not_the_headline(write_run: WriteRun) -> None:
    arms = {"none": (1.2, -1.5), "shifted": (1.2, 0.5, 0.1)}
    folder = write_run(arms, n_splits=3, counts=(150, 60), primary_metric="rare_recall")
    first, second = results_of(folder).verdict
    assert f"better than none in {OWN}" in first
    assert re.search(rf"positive-class recall rises with shifted {EFFECT}", second)


def test_one_run_is_not_enough(write_run: WriteRun) -> None:
    first, second = results_of(write_run(EQUAL, n_seeds=1)).verdict
    assert re.fullmatch(
        r"No method .*from none \(positive class: class-1\): a single run .*more seeds .*\.", first
    )
    assert second == "Every run finished."


def test_too_few_patients_are_named(write_run: WriteRun) -> None:
    first, _ = results_of(write_run(ARMS, counts=(60, 4))).verdict
    assert re.search(r"from none .* 4 patients of class class-1, .*fewer than 6 ", first)


def test_no_validation_image_of_a_class_is_the_reason(write_run: WriteRun) -> None:
    folder = write_run(EQUAL)
    for path in folder.glob("cells/*/*/*/predictions.npz"):
        with np.load(path) as stored:
            arrays = dict(stored)
        rows = arrays["validation_true"] == 0
        for name in arrays:
            if name.startswith("validation"):
                arrays[name] = arrays[name][rows]
        np.savez(path, allow_pickle=False, **arrays)
    first, _ = results_of(folder).verdict
    assert re.match(r"No method is detectably better than none in AUROC \(a true diff", first)
    assert re.search(rf"{OWN} cannot be tested: .*no validation image", first)


def test_too_few_runs_to_find_a_difference_of_any_size(write_run: WriteRun) -> None:
    results = results_of(write_run(EQUAL))
    blind = replace(
        results, comparisons=tuple(replace(row, detectable=math.inf) for row in results.comparisons)
    )
    assert sentences(blind)[0].count("too few") == 2  # at own thresholds and in AUROC


def test_a_baseline_without_a_finished_run_is_the_reason(write_run: WriteRun) -> None:
    first, second = results_of(
        write_run(EQUAL, failed=[("none", "split-0", seed) for seed in range(3)])
    ).verdict
    assert first.endswith("no run of none has finished.")
    assert second == "Failed in 3 runs: none."


def test_the_baseline_alone(write_run: WriteRun) -> None:
    first, _ = results_of(write_run({"none": (1.2, -1.0)})).verdict
    assert re.fullmatch(r"Only none .*\(positive class: class-1\)\.", first)


def test_failed_and_missing_runs_are_named(write_run: WriteRun) -> None:
    folder = write_run(
        {**EQUAL, "third": (1.2, -1.0, 0.2)},
        failed=[("other", "split-0", 0)],
        missing=[("third", "split-0", 2)],
        n_seeds=4,
    )
    first, second = results_of(folder).verdict
    assert "; 3 paired runs" in first
    assert re.match(r"Failed in 1 run: other; 1 of 12 runs .*\.$", second)


def test_runs_that_differ_between_methods_are_named(write_run: WriteRun) -> None:
    folder = write_run({**EQUAL, "third": (1.2, -1.0, 0.2)}, failed=[("other", "split-0", 0)])
    assert "2 to 3 paired runs" in results_of(folder).verdict[0]


def test_equal_predictions_are_no_finding(write_run: WriteRun) -> None:
    folder = write_run({"none": (1.2, -1.0), "same": (1.2, -1.0)}, n_splits=3)
    results = results_of(folder)
    text = " ".join(results.verdict)
    assert results.judgments[0].word == "no variation"
    assert not re.search(r"0\.000|Better than", text)


@pytest.mark.parametrize("primary", ["balanced_accuracy", "macro_f1", "auprc"])
def test_the_headline_is_one_family(write_run: WriteRun, primary: str) -> None:
    results = results_of(write_run(ARMS, n_splits=3, counts=(150, 60), primary_metric=primary))
    family = [
        row for row in results.comparisons if row.metric in (results.decisive_metric, "auroc")
    ]
    assert len(family) == 6
    smallest = min(family, key=lambda row: row.p)
    assert smallest.p_holm == pytest.approx(min(1.0, 6 * smallest.p))
