"""Every method of the catalogue from images to predictions, whole and killed in the middle."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from equipoise.data.dataset import ImageDataset
from equipoise.data.splits import hold_out
from equipoise.experiments.methods import generative, papers
from equipoise.experiments.methods.catalogue import METHODS, WITHIN_BUDGET, build_methods
from equipoise.experiments.protocol import Budget
from equipoise.experiments.running.fit_classifier import fit_cell
from equipoise.experiments.study import Study
from equipoise.runs.cell_record import ImageCellRecord
from equipoise.runs.outcome import Outcome
from equipoise.testing.probes import Killed, eager_checkpoints
from equipoise.training import collapse

BUDGET = Budget(
    n_steps=4, batch_size=12, gan_steps=6, gan_batch_size=12, gan_channels=8, device="cpu"
)
GENERATIVE = [method.name for method in (*generative.METHODS, *generative.CURATED)]
QUICK = {
    "dcgan",
    "cdcgan_mix",
    "cdcgan_half",
    "cdcgan_crt",
    "strong_gan",
    "dcgan_curated",
}  # else at `make slow`


@pytest.fixture(autouse=True)
def _patience_with_beginners(monkeypatch: pytest.MonkeyPatch) -> None:
    """After three steps all images of a generator may look alike, which is not tested here."""
    monkeypatch.setattr(collapse, "ALIKE_BELOW", 0.0)


def make_study(
    name: str,
    *,
    counts: tuple[int, ...] = (40, 26, 30),
    size: int = 28,
    channels: int = 1,
    budget: Budget = BUDGET,
) -> Study:
    """Noise whose brightness predicts the class, but not perfectly; one image per patient."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    noise = rng.normal(60, 30, size=(len(labels), channels, size, size))
    brightness = 120 * labels / len(counts) + rng.normal(0, 30, size=len(labels))
    images = np.clip(noise + brightness[:, None, None, None], 0, 255).astype(np.uint8)
    dataset = ImageDataset(
        images=images,
        labels=labels,
        class_names=tuple(f"class {k}" for k in range(len(counts))),
        groups=np.arange(len(labels), dtype=np.int64),
        ids=np.array([f"image-{i:04d}" for i in range(len(labels))]),
    )
    methods = build_methods([name], budget)
    return Study(
        name="one",
        dataset=dataset,
        splits=hold_out(dataset, n_splits=1),
        methods=methods,
        seeds=[0],
    )


@dataclass
class Steps:
    """Counts the steps of a cell, and kills it after the `last`."""

    last: int | None = None
    done: int = 0

    def __call__(self, _name: str, _step: int, _n_steps: int) -> None:
        self.done += 1
        if self.done == self.last:
            raise Killed


def run(study: Study, workspace: Path, steps: Steps | None = None) -> Outcome:
    [cell] = study.cells()
    return fit_cell(cell, study, workspace, steps or Steps())


def check_whole(outcome: Outcome, study: Study) -> None:
    scores = outcome.predictions["test_score"]
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, rtol=1e-6)
    assert (scores >= 0).all()
    assert np.ptp(scores, axis=0).max() > 0, "all images have the same scores"
    assert isinstance(outcome.record, ImageCellRecord)
    before, after = outcome.record.counts_before, outcome.record.counts_after
    if METHODS[next(iter(study.methods))].balance is None:
        assert after == before
    else:
        assert len(set(after)) == 1, "the classes are not balanced"


@pytest.mark.parametrize(
    "name",
    [
        name if name not in {*GENERATIVE} - QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in WITHIN_BUDGET
    ],
)
def test_from_images_to_predictions(name: str, tmp_path: Path) -> None:
    study = make_study(name)
    outcome = run(study, tmp_path)
    check_whole(outcome, study)
    if name in GENERATIVE:
        assert outcome.synthetic is not None or METHODS[name].balance is None
        assert (
            any(stage.startswith("balance") for stage, *_ in outcome.history)
            or METHODS[name].balance is None
        )


@pytest.mark.parametrize("name", ["replay", "replay_mix", "replay@0.5"])
def test_copies_are_not_taken_for_synthetic_images(name: str, tmp_path: Path) -> None:
    outcome = run(make_study(name), tmp_path)
    assert isinstance(outcome.record, ImageCellRecord)
    assert sum(outcome.record.counts_after) > sum(outcome.record.counts_before)
    assert outcome.synthetic is None
    assert "generator" not in outcome.files


@pytest.mark.slow
@pytest.mark.parametrize("name", WITHIN_BUDGET)
@pytest.mark.parametrize(
    ("counts", "size", "channels"), [((36, *[28] * 19), 28, 1), ((32, 24), 64, 3)]
)
def test_other_numbers_of_classes_channels_and_sizes(
    name: str, counts: tuple[int, ...], size: int, channels: int, tmp_path: Path
) -> None:
    study = make_study(name, counts=counts, size=size, channels=channels)
    check_whole(run(study, tmp_path), study)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITHIN_BUDGET)
def test_killed_in_the_middle_it_ends_in_the_same_weights(name: str, tmp_path: Path) -> None:
    study = make_study(name)
    steps = Steps()
    expected = run(study, tmp_path / "whole", steps)
    assert steps.done >= BUDGET.n_steps
    for moment in sorted({steps.done // 2, steps.done - 1}):
        workspace = tmp_path / f"killed-{moment}"
        with eager_checkpoints(), pytest.raises(Killed):
            run(study, workspace, Steps(last=moment))
        left = Steps()
        continued = run(study, workspace, left)
        assert left.done <= steps.done - moment + 1, "it started from the beginning"
        assert_same(continued, expected, tmp_path / f"weights-{moment}")


def assert_same(continued: Outcome, expected: Outcome, folder: Path) -> None:
    for name, array in expected.predictions.items():
        np.testing.assert_array_equal(continued.predictions[name], array, err_msg=name)
    if expected.synthetic is not None:
        assert continued.synthetic is not None
        np.testing.assert_array_equal(continued.synthetic.images, expected.synthetic.images)
    weights = []
    for i, outcome in enumerate((continued, expected)):
        outcome.files["classifier"](folder / str(i))
        weights.append(load_file(folder / str(i) / "model.safetensors"))
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


def test_the_papers_presets_are_methods_of_their_own() -> None:
    assert {method.name[:2] for method in papers.METHODS} >= {"s0", "s1", "s2", "s4"}
