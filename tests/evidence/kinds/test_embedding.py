"""The drawing of a small run: every row keeps what it is, and nothing is drawn where nothing was made."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import toy_dataset
from tests.fixtures.small_run import small_run

from equipoise.atomic import read_json
from equipoise.audit.in_domain import in_domain
from equipoise.evidence.finished_run import Judged, first_cells
from equipoise.evidence.kinds import embedding
from equipoise.evidence.kinds.embedding import HELD_OUT, MOST_ROWS, SYNTHETIC, TRAINING, gather
from equipoise.features.base import extract
from equipoise.metrics.embedding import embed, mixing, standardized


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return small_run(tmp_path_factory.mktemp("run"), toy_dataset((36, 16)))


@pytest.fixture(scope="module")
def gathered(run: Judged, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("evidence")
    gather(run, folder)
    with np.load(folder / "coordinates.npz", allow_pickle=False) as arrays:
        return {
            **read_json(folder / "embedding.json"),
            **{name: arrays[name] for name in arrays.files},
        }


def test_every_image_is_there_with_what_it_is(run: Judged, gathered: dict[str, Any]) -> None:
    """Counted from the run, not from the drawing."""
    cell = run.generated[0]
    labels = {
        TRAINING: run.part(cell, "train").labels,
        HELD_OUT: run.part(cell, "test").labels,
        SYNTHETIC: run.synthetic(cell)[1],
    }
    for part, known in labels.items():
        rows = gathered["part"] == part
        np.testing.assert_array_equal(np.sort(gathered["label"][rows]), np.sort(known))
        assert (gathered["method"][rows] == (0 if part == SYNTHETIC else -1)).all()
    assert gathered["points"].shape == (sum(map(len, labels.values())), 2)
    assert gathered["methods"] == ["smote"]
    assert gathered["judge"] == "none"


def test_the_points_of_a_part_are_those_of_its_images(
    run: Judged, gathered: dict[str, Any]
) -> None:
    """Drawn anew from the run's own images in the stored order of parts; SMOTE lies among the real ones."""
    cell, judge = run.generated[0], run.cells[0]
    shown = embedding._shown(run, [cell])
    real, made = run.part(cell, "test").images, run.synthetic(cell)[0]
    for part, known in ((HELD_OUT, real), (SYNTHETIC, made)):
        assert {image.tobytes() for image in shown.images[shown.part == part]} == {
            i.tobytes() for i in known
        }
    features = extract(shown.images, in_domain(run.classifier(judge)))
    again = embed(features, part=shown.part, label=shown.label, method=shown.method)
    np.testing.assert_array_equal(again.points, gathered["points"])


def test_mixing_is_that_of_one_class_and_two_parts(run: Judged, gathered: dict[str, Any]) -> None:
    cell, judge = run.generated[0], run.cells[0]
    train, (made, labels) = run.part(cell, "train"), run.synthetic(cell)
    test = run.part(cell, "test")
    extractor = in_domain(run.classifier(judge))
    scale = extract(np.concatenate([train.images, test.images]), extractor)
    both = [made[labels == 1], test.images[test.labels == 1]]
    features = standardized(extract(np.concatenate(both), extractor), scale)
    found = mixing(features, np.repeat([0, 1], [len(b) for b in both]))
    row = next(
        r
        for r in gathered["mixing"]
        if (r["one"], r["other"], r["label"]) == ("synthetic", "held-out", 1)
    )
    assert (row["share"], row["chance"], row["n"]) == pytest.approx(
        (found.share, found.chance, found.n)
    )
    assert {(r["one"], r["other"]) for r in gathered["mixing"]} == {
        ("synthetic", "held-out"),
        ("synthetic", "training"),
        ("held-out", "training"),
    }


def test_of_many_images_as_many_of_each_class_are_taken() -> None:
    labels = np.repeat([0, 1, 2], [900, 150, 20])
    images = np.arange(1070, dtype=np.uint8)[:, None, None, None]
    some = embedding._some(images, labels, 0, -1)
    assert np.bincount(some["label"]).tolist() == [MOST_ROWS // 3, MOST_ROWS // 3, 20]
    again = embedding._some(images, labels, 0, -1)
    np.testing.assert_array_equal(some["images"], again["images"])
    assert len(embedding._some(images[:0], labels[:0], 0, -1)["images"]) == 0


def test_without_synthetic_images_nothing_is_drawn(run: Judged, tmp_path: Path) -> None:
    alone = replace(run, study=replace(run.study, methods={"none": run.study.methods["none"]}))
    gather(alone, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_finished_cells_nothing_is_drawn(run: Judged, tmp_path: Path) -> None:
    methods = {"another": run.study.methods["none"]}
    nothing = replace(run, study=replace(run.study, methods=methods))
    assert first_cells(nothing) == []
    gather(nothing, tmp_path)
    assert list(tmp_path.iterdir()) == []
