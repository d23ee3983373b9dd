"""The options of `run` fill the records of a study, with the records' own defaults."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipoise.cli.options import RunOptions, comma_list, folder_name, pick_task
from equipoise.cli.planning import fixed_choices
from equipoise.cli.run import image_budget, image_protocol
from equipoise.cli.run_volumes import volume_budget, volume_protocol
from equipoise.data.images.options import ReadOptions
from equipoise.data.volumes.options import VolumeOptions
from equipoise.exceptions import SettingError
from equipoise.experiments.protocol import Budget, Protocol, VolumeBudget, VolumeProtocol
from equipoise.time_plan.plan import FixedChoices

DEFAULTS = RunOptions(images="films")


def test_defaults_are_those_of_the_records() -> None:
    """Options that images and volumes share (--steps, --seeds, --device) have one default."""
    assert image_protocol(DEFAULTS) == Protocol()
    assert image_budget(DEFAULTS) == Budget()
    assert volume_protocol(DEFAULTS) == VolumeProtocol()
    assert volume_budget(DEFAULTS) == VolumeBudget()
    assert DEFAULTS.read_options() == ReadOptions()
    assert DEFAULTS.read_options(size=96) == ReadOptions(size=96)
    assert DEFAULTS.volume_options() == VolumeOptions()
    assert DEFAULTS.run_folder == Path("runs/films")


def test_options_reach_the_records() -> None:
    options = replace(
        DEFAULTS, methods="none, dcgan", modalities="FLAIR,T1c", rare="ill", splits=5, steps=7
    )
    options = replace(options, precision="bf16-mixed")
    assert image_protocol(options).methods == ("none", "dcgan")
    assert (image_protocol(options).rare_class, image_protocol(options).n_splits) == ("ill", 5)
    assert (image_budget(options).n_steps, volume_budget(options).n_steps) == (7, 7)
    budget = image_budget(options)
    assert {budget.precision, budget.gan_precision} == {volume_budget(options).precision}
    assert options.volume_options().modalities == ("FLAIR", "T1c")


def test_what_no_option_names_is_left_to_the_plan() -> None:
    assert fixed_choices(DEFAULTS, Protocol().methods) == FixedChoices()
    options = replace(DEFAULTS, methods="none,crt", size=96, steps=7, regime="scratch", seeds=2)
    choices = fixed_choices(options, image_protocol(options).methods)
    assert choices == FixedChoices(
        methods=("none", "crt"), size=96, n_steps=7, regime="scratch", n_seeds=2
    )


@pytest.mark.parametrize(
    ("named", "network", "pretrained"),
    [
        ({}, "small_cnn", None),
        ({"regime": "frozen"}, "mobilenet_v2", "official"),
        ({"regime": "finetune", "network": "resnet18"}, "resnet18", "official"),
        ({"pretrained": "imagenet"}, "mobilenet_v2", "imagenet"),
        ({"regime": "scratch", "pretrained": "imagenet"}, "small_cnn", "imagenet"),
    ],
)
def test_a_pretrained_regime_has_a_default_network(
    named: dict[str, Any], network: str, pretrained: str | None
) -> None:
    budget = image_budget(replace(DEFAULTS, **named))
    assert (budget.network, budget.pretrained) == (network, pretrained)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/My Films/", "My-Films"),
        ("set.npz", "set"),
        ("medmnist:derma@64", "medmnist-derma-64"),
    ],
)
def test_a_run_is_named_after_its_images(path: str, name: str) -> None:
    assert folder_name(path) == name


def test_lists_with_commas() -> None:
    assert comma_list(" a, b,,c ") == ("a", "b", "c")
    assert comma_list(None) == ()


def test_an_unknown_task_is_refused() -> None:
    assert pick_task("segmentation") == "segmentation"
    with pytest.raises(SettingError, match="'segmentation'"):
        pick_task("segment")
