"""The embedding of a small run: every row keeps its labels; nothing without synthetic images."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import toy_dataset
from tests.fixtures.small_run import small_run

from equipoise.atomic import read_json
from equipoise.audit.in_domain import in_domain
from equipoise.evidence.finished_run import FinishedRun, first_cells
from equipoise.evidence.kinds.embedding import (
    HELD_OUT,
    MOST_ROWS,
    SYNTHETIC,
    TRAINING,
    EmbeddedImages,
    gather,
    select_images,
    subsample,
    thinned,
)
from equipoise.features.base import extract
from equipoise.metrics.embedding import embed, mixing, standardized


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return small_run(tmp_path_factory.mktemp("run"), toy_dataset((36, 16)))


@pytest.fixture(scope="module")
def gathered(run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("evidence")
    gather(run, folder)
    with np.load(folder / "coordinates.npz", allow_pickle=False) as arrays:
        return {
            **read_json(folder / "embedding.json"),
            **{name: arrays[name] for name in arrays.files},
        }


def test_every_image_is_there_with_its_labels(run: FinishedRun, gathered: dict[str, Any]) -> None:
    """Counted from the run, not from the embedding."""
    cell = run.generated[0]
    labels = {
        TRAINING: run.part(cell, "train").labels,
        HELD_OUT: run.part(cell, "test").labels,
        SYNTHETIC: run.synthetic(cell)[1],
    }
    for part, expected in labels.items():
        rows = gathered["part"] == part
        np.testing.assert_array_equal(np.sort(gathered["label"][rows]), np.sort(expected))
        assert (gathered["method"][rows] == (0 if part == SYNTHETIC else -1)).all()
    assert gathered["points"].shape == (sum(map(len, labels.values())), 2)
    assert gathered["methods"] == ["smote"]
    assert gathered["judge"] == "none"


def test_the_points_of_a_part_are_those_of_its_images(
    run: FinishedRun, gathered: dict[str, Any]
) -> None:
    """Embedded again from the images of the run, in the stored order of parts."""
    cell, baseline = run.generated[0], run.cells[0]
    selected = select_images(run, [cell])
    real, fake = run.part(cell, "test").images, run.synthetic(cell)[0]
    for part, images in ((HELD_OUT, real), (SYNTHETIC, fake)):
        of_part = selected.images[selected.part == part]
        assert {image.tobytes() for image in of_part} == {image.tobytes() for image in images}
    features = extract(selected.images, in_domain(run.classifier(baseline)))
    again = embed(features, part=selected.part, label=selected.label, method=selected.method)
    np.testing.assert_array_equal(again.points, gathered["points"])


def test_mixing_is_that_of_one_class_and_two_parts(
    run: FinishedRun, gathered: dict[str, Any]
) -> None:
    cell, baseline = run.generated[0], run.cells[0]
    train, (fake, labels) = run.part(cell, "train"), run.synthetic(cell)
    test = run.part(cell, "test")
    extractor = in_domain(run.classifier(baseline))
    scale = extract(np.concatenate([train.images, test.images]), extractor)
    both = [fake[labels == 1], test.images[test.labels == 1]]
    features = standardized(extract(np.concatenate(both), extractor), scale)
    expected = mixing(features, np.repeat([0, 1], [len(b) for b in both]))
    rows = {(row["one"], row["other"], row["label"]): row for row in gathered["mixing"]}
    row = rows["synthetic", "held-out", 1]
    assert row["share"] == pytest.approx(expected.share)
    assert row["chance"] == pytest.approx(expected.chance)
    assert row["n"] == expected.n
    assert {(row["one"], row["other"]) for row in gathered["mixing"]} == {
        ("synthetic", "held-out"),
        ("synthetic", "training"),
        ("held-out", "training"),
    }


def test_of_many_images_equally_many_of_each_class_are_drawn() -> None:
    labels = np.repeat([0, 1, 2], [900, 150, 20])
    images = np.arange(1070, dtype=np.uint8)[:, None, None, None]
    selected = subsample(images, labels, 0, -1)
    assert np.bincount(selected.label).tolist() == [MOST_ROWS // 3, MOST_ROWS // 3, 20]
    again = subsample(images, labels, 0, -1)
    np.testing.assert_array_equal(selected.images, again.images)
    assert len(subsample(images[:0], labels[:0], 0, -1).images) == 0


def test_of_many_methods_fewer_images_each_are_drawn() -> None:
    labels = np.repeat([0, 1], [40, 10])
    images = np.arange(50, dtype=np.uint8)[:, None, None, None]
    kinds = ((TRAINING, -1), (HELD_OUT, -1), (SYNTHETIC, 0), (SYNTHETIC, 1))
    selected = EmbeddedImages.join([subsample(images, labels, *kind) for kind in kinds])
    assert thinned(selected, MOST_ROWS).tolist() == list(range(200))
    rows = thinned(selected, 12)
    counts = np.unique(np.stack([selected.part, selected.method, selected.label])[:, rows], axis=1)
    assert (len(rows), counts.shape[1]) == (4 * 12, 8)  # six of each class and kind


def test_without_synthetic_images_nothing_is_embedded(run: FinishedRun, tmp_path: Path) -> None:
    baseline_alone = replace(
        run, study=replace(run.study, methods={"none": run.study.methods["none"]})
    )
    gather(baseline_alone, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_finished_cells_nothing_is_embedded(run: FinishedRun, tmp_path: Path) -> None:
    methods = {"another": run.study.methods["none"]}
    unfinished = replace(run, study=replace(run.study, methods=methods))
    assert first_cells(unfinished) == []
    gather(unfinished, tmp_path)
    assert list(tmp_path.iterdir()) == []
