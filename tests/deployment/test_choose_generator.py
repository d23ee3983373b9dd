"""Which generator of a run is used, and why."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipoise.atomic import write_json
from equipoise.curation.oversampler import CuratedOversampler
from equipoise.deployment.choose_generator import choose_generator
from equipoise.estimators.classifier import ImageClassifier
from equipoise.exceptions import DataError, SettingError
from equipoise.metrics.classification import METRICS
from equipoise.resampling.smote import SMOTEOversampler
from equipoise.results.image_tables import summarize
from equipoise.runs.cell import Cell
from equipoise.runs.run import Run, open_run

WriteRun = Callable[..., Path]
ARMS = {"none": (2.0, 0.0), "weak": (0.5, 0.0), "strong": (3.0, 0.0), "weights": (4.0, 0.0)}


def keep_generators(folder: Path, *cells: tuple[str, str, int]) -> Run:
    """Write the file of a stored generator into these cells; choosing reads no more of it."""
    run = open_run(folder)
    for cell in cells:
        write_json(run.path(Cell(*cell)) / "generator" / "model.json", {"kind": "GANOversampler"})
    return run


def both(
    split: str = "split-0", seed: int = 0
) -> tuple[tuple[str, str, int], tuple[str, str, int]]:
    return ("weak", split, seed), ("strong", split, seed)


def test_the_best_method_with_a_generator_is_chosen_with_a_reason(
    write_run: WriteRun,
) -> None:
    """ "weights" is better still, but generates no images; the number is that of the table."""
    run = keep_generators(write_run(ARMS, n_splits=2, n_seeds=2), *both(), *both(seed=1))
    choice = choose_generator(run)
    assert choice.cell == Cell("strong", "split-0", 0)
    results = summarize(run, n_draws=2)
    mean = next(
        method.metrics["decided_balanced_accuracy"].mean
        for method in results.methods
        if method.method == "strong"
    )
    assert choice.reason.startswith("strong has the best balanced accuracy")
    assert f"({mean:.3f}, mean of 4 tests)" in choice.reason


def test_of_a_metric_that_is_better_when_lower_the_lowest_is_chosen(write_run: WriteRun) -> None:
    run = keep_generators(write_run(ARMS, primary_metric="brier"), *both())
    assert not METRICS["brier"].higher_is_better
    assert choose_generator(run).cell.method == "strong"


def test_a_requested_cell_is_used(write_run: WriteRun) -> None:
    run = keep_generators(
        write_run(ARMS, n_splits=2, n_seeds=3), *both("split-1", 2), ("weak", "split-0", 1)
    )
    choice = choose_generator(run, method="weak")
    assert (choice.cell, choice.reason) == (Cell("weak", "split-0", 1), "weak was requested.")
    assert choose_generator(run, method="weak", split="split-1").cell == Cell("weak", "split-1", 2)
    assert choose_generator(run, method="weak", seed=2).cell == Cell("weak", "split-1", 2)
    assert choose_generator(run).cell == Cell("strong", "split-1", 2)


def test_the_only_one_needs_no_comparison(write_run: WriteRun) -> None:
    run = keep_generators(write_run(ARMS), ("weak", "split-0", 0))
    assert choose_generator(run).reason.startswith("weak is the only method")


def test_a_failed_cell_has_no_generator(write_run: WriteRun) -> None:
    run = keep_generators(write_run(ARMS, failed=[("strong", "split-0", 0)]), *both())
    assert choose_generator(run).cell.method == "weak"


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ({"method": "stron"}, "'stron'.*'strong'"),
        ({"method": "weights"}, "'weights'.* strong, weak"),
        ({"split": "split-7"}, "split of strong.*'split-7'.*split-0"),
        ({"seed": 9}, "seed of strong.*'9'.*: 0"),
        ({"method": "weak", "split": "split-1"}, "split of weak.*: split-0"),
    ],
)
def test_what_is_missing_is_named(
    write_run: WriteRun, selection: dict[str, object], words: str
) -> None:
    run = keep_generators(write_run(ARMS, n_splits=2), *both())
    with pytest.raises(SettingError, match=words):
        choose_generator(run, **selection)  # type: ignore[arg-type]


def test_a_run_without_generators_says_how_to_get_one(write_run: WriteRun) -> None:
    with pytest.raises(DataError, match=r"generator.*--methods"):
        choose_generator(open_run(write_run(ARMS)))


def test_a_link_out_of_the_run_is_refused(write_run: WriteRun, tmp_path: Path) -> None:
    run = keep_generators(write_run(ARMS), ("weak", "split-0", 0))
    (tmp_path / "elsewhere").mkdir()
    write_json(tmp_path / "elsewhere" / "model.json", {"kind": "GANOversampler"})
    (run.path(Cell("strong", "split-0", 0)) / "generator").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"strong/split-0/seed-0/generator -> .*elsewhere"):
        choose_generator(open_run(run.folder))


@pytest.mark.slow
def test_a_generator_with_filters_loads_although_its_class_is_in_a_higher_layer(
    write_run: WriteRun,
) -> None:
    """In another process: here the class may have been imported already."""
    code = (
        "import sys; from pathlib import Path\n"
        "from equipoise.runs.cell import Cell\n"
        "from equipoise.deployment.choose_generator import load_generator\n"
        "from equipoise.runs.run import open_run\n"
        "assert 'equipoise.curation.oversampler' not in sys.modules\n"
        "generator = load_generator(open_run(sys.argv[1]), Cell('strong', 'split-0', 0))\n"
        "assert type(generator).__name__ == 'CuratedOversampler', generator\n"
    )
    run = open_run(write_run(ARMS))
    judge = ImageClassifier(n_steps=2, batch_sampler="balanced", device="cpu")
    rng, labels = np.random.default_rng(0), np.repeat([0, 1], [24, 12])
    images = np.clip(
        rng.normal(90 + 60 * labels[:, None, None, None], 25, (36, 1, 28, 28)), 0, 255
    ).astype(np.uint8)
    curated = CuratedOversampler(SMOTEOversampler(), filters=("sanity",), judge=judge).fit(
        images, labels
    )
    curated.save(run.path(Cell("strong", "split-0", 0)) / "generator")
    subprocess.run([sys.executable, "-c", code, str(run.folder)], check=True)
