"""`equipoise list`: families are found where they are defined, and their members listed."""

import importlib
from collections.abc import Callable

import pytest

from equipoise.cli.list import find_families, read_definition

Call = Callable[..., tuple[int, str, str]]
FAMILIES = find_families()


@pytest.mark.parametrize(
    ("family", "members"),
    [
        ("methods", ("none", "class_weights", "undersampling", "dcgan", "cdcgan")),
        ("readers", ("folder", "table", "medmnist")),
        ("losses", ("cross_entropy", "class_weights")),
        ("metrics", ("balanced_accuracy", "auroc", "rare_recall")),
        ("label_schemes", ("brats2013", "4 enhancing")),
        ("patch_samplers", ("balanced", "hard_example")),
        ("patch_networks", ("center_cnn_valid", "unet")),
        ("region_losses", ("dice", "focal_tversky")),
        ("devices", ("auto", "cpu")),
        *((family, ()) for family in FAMILIES),
    ],
)
def test_the_members_of_a_family_are_listed(
    family: str, members: tuple[str, ...], call: Call
) -> None:
    code, printed, _ = call("list", family)
    assert code == 0
    assert len(printed.splitlines()) >= 2
    assert all(member in printed for member in members)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_member_has_a_line_for_users(family: str) -> None:
    definition = importlib.import_module(FAMILIES[family].module).FAMILY
    for name, line in definition.lines().items():
        assert line, name
        assert "row of" not in line, name


def test_all_families_are_listed_with_a_summary(call: Call) -> None:
    code, printed, _ = call("list")
    assert code == 0
    assert {line.split(" ")[0] for line in printed.splitlines()} >= {*FAMILIES, "devices"}
    assert len(FAMILIES) == 32
    assert all(entry.summary.endswith(".") for entry in FAMILIES.values())


def test_every_name_is_that_of_one_module() -> None:
    assert len({entry.module for entry in FAMILIES.values()}) == len(FAMILIES)


def test_a_family_needs_a_definition_that_can_be_read() -> None:
    assert read_definition('FAMILY = Family(name="a", summary="b.", members=TABLE)') == ("a", "b.")
    with pytest.raises(ValueError, match="FAMILY"):
        read_definition("x = 1")


def test_an_unknown_family_is_named_with_the_nearest(call: Call) -> None:
    code, _, error = call("list", "method")
    assert code == 2
    assert "'methods'" in error
