from dataclasses import replace

import numpy as np
import pytest

from equipoise.data.dataset import ImageDataset
from equipoise.data.images.options import Loaded
from equipoise.data.phantoms.datasets import chest_films
from equipoise.exceptions import DataError, LeakageError, SettingError
from equipoise.experiments.demo import RARE_IN_TRAINING, demo_study
from equipoise.experiments.image_plan import check_plan, plan_study, positive_class_sentence
from equipoise.experiments.protocol import Budget, Protocol

CHEAP = Protocol(methods=("none", "oversampling"), n_seeds=2, n_splits=2)


@pytest.fixture
def films() -> ImageDataset:
    return chest_films((40, 24), size=32)


@pytest.fixture
def copied(films: ImageDataset) -> ImageDataset:
    """Films of which each has an exact copy that belongs to another patient."""
    images = films.pixels.copy()
    images[1::2] = images[::2]
    return replace(films, images=images, groups=np.arange(len(films), dtype=np.int64))


def test_the_study_is_what_the_protocol_says(films: ImageDataset) -> None:
    study = plan_study(
        Loaded(dataset=films, notes=("a note",)), CHEAP, Budget(), name="films", facts={"a": 1}
    )
    assert (list(study.methods), list(study.seeds), len(study.splits)) == (
        ["none", "oversampling"],
        [0, 1],
        2,
    )
    assert study.baseline_name == "none"
    assert films.class_names[study.positive] == "pneumonia"
    assert dict(study.facts) == {"notes": ["a note"], "skipped": [], "a": 1}


def test_the_positive_class_can_be_named(films: ImageDataset) -> None:
    study = plan_study(
        Loaded(dataset=films), replace(CHEAP, rare_class="normal"), Budget(), name="films"
    )
    assert study.positive == 0


def test_the_smallest_class_is_not_positive_if_it_sounds_healthy(films: ImageDataset) -> None:
    healthy_is_smallest = replace(films, class_names=("pneumonia", "normal"))
    study = plan_study(Loaded(dataset=healthy_is_smallest), CHEAP, Budget(), name="films")
    assert study.positive == 0
    assert replace(study, rare_class=None).positive == 0
    sentence = positive_class_sentence(study)
    assert "pneumonia (40 of 64 images)" in sentence
    assert "--rare normal" in sentence
    requested = replace(study, rare_class=1)
    assert "normal (24 of 64 images), as requested" in positive_class_sentence(requested)


def test_duplicates_across_a_split_are_refused_merged_or_reported(copied: ImageDataset) -> None:
    loaded = Loaded(dataset=copied)
    with pytest.raises(LeakageError, match="--duplicates merge"):
        plan_study(loaded, CHEAP, Budget(), name="films")
    merged = plan_study(loaded, replace(CHEAP, duplicates="merge"), Budget(), name="films")
    assert merged.duplicates is not None
    assert not any(len(merged.duplicates.crossing(split).into_test) for split in merged.splits)
    reported = plan_study(loaded, replace(CHEAP, duplicates="report"), Budget(), name="films")
    assert reported.duplicates is not None
    assert any(len(reported.duplicates.crossing(split).into_test) for split in reported.splits)


def test_a_test_set_of_the_source_is_kept_unless_new_splits_are_asked_for(
    films: ImageDataset,
) -> None:
    assigned = np.where(films.groups % 3 == 0, "test", "train")
    loaded = Loaded(dataset=films, source_split=assigned)
    study = plan_study(loaded, CHEAP, Budget(), name="films")
    assert len(study.splits) == 1
    np.testing.assert_array_equal(study.splits[0].test, np.flatnonzero(assigned == "test"))
    assert (
        len(
            plan_study(
                loaded, replace(CHEAP, use_source_split=False), Budget(), name="films"
            ).splits
        )
        == 2
    )


def test_without_a_test_part_the_source_split_cannot_serve(films: ImageDataset) -> None:
    assigned = np.where(films.groups % 3 == 0, "validation", "train")
    study = plan_study(Loaded(dataset=films, source_split=assigned), CHEAP, Budget(), name="films")
    assert len(study.splits) == 2


@pytest.mark.parametrize(
    ("protocol", "budget", "message"),
    [
        (Protocol(duplicates="ignore"), Budget(), "merge"),
        (Protocol(primary_metric="acuracy"), Budget(), "accuracy"),
        (Protocol(methods=("nothing",)), Budget(), "Available"),
        (Protocol(), Budget(network="resnet19"), "resnet18"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_read(
    protocol: Protocol, budget: Budget, message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        check_plan(protocol, budget, size=32)


def test_only_generators_mind_the_side() -> None:
    check_plan(CHEAP, Budget(), size=30)
    with pytest.raises(SettingError, match="Resize to 32"):
        check_plan(replace(CHEAP, methods=("none", "dcgan")), Budget(), size=30)


def test_a_class_too_small_for_a_method_is_refused_before_anything_trains() -> None:
    films = Loaded(dataset=chest_films((60, 9), size=32, seed=0))
    plan_study(films, CHEAP, Budget(), name="films")
    with pytest.raises(
        DataError, match=r"at least 8 .* dcgan, got fewer in split-0 of 'pneumonia' \(\d\)"
    ):
        plan_study(films, replace(CHEAP, methods=("none", "dcgan")), Budget(), name="films")


def test_the_demo_compares_the_default_methods_and_a_generator() -> None:
    study = demo_study()
    assert tuple(study.methods) == (*Protocol().methods, "replay", "dcgan")
    assert study.dataset.class_names[study.positive] == "abnormal"
    for split in study.splits:
        assert study.images.subset(split.train).counts[study.positive] == RARE_IN_TRAINING
        assert study.images.subset(split.test).counts[study.positive] >= 90
    assert study.reading.source == "demo"
    assert any("known effect" in str(note) for note in study.facts["notes"])
