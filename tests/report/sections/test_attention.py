"""The section on what classifiers look at: cases, shares and warnings from stored evidence."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.atomic import write_json
from equipoise.report.formatting import times
from equipoise.report.html import write_report
from equipoise.report.run_contents import read_contents
from equipoise.report.sections.attention import ShareCell, beside_overlays, colored, view

MakeRun = Callable[..., Path]


def with_maps(
    run: Path, *, border: float | None = 0.6, cases: bool = True, channels: int = 1
) -> Path:
    folder = run / "evidence" / "attention"
    folder.mkdir(parents=True)
    share = {"method": "none", "answers": "all", "n": 20, "n_without": 2}
    unknown = dict.fromkeys(("mass", "area", "low", "high"))
    shares: list[dict[str, Any]] = [
        {**share, "region": "foreground", "mass": 0.7, "area": 0.4, "low": 0.22, "high": 0.36},
        {
            **share,
            "region": "foreground",
            "answers": "right",
            "mass": 0.75,
            "area": 0.4,
            "low": 0.25,
            "high": 0.45,
        },
        {**share, "region": "foreground", "answers": "wrong", "n": 0, **unknown},
    ]
    if border is not None:
        low, high = border - 0.4375 - 0.02, border - 0.4375 + 0.02
        shares.append(
            {**share, "region": "border", "mass": border, "area": 0.4375, "low": low, "high": high}
        )
    facts = {"methods": ["none"], "split": "split-0", "seed": 0, "masks": "found", "shares": shares}
    write_json(folder / "attention.json", {**facts, "map_sides": {"none": [3, 4]}})
    if cases:
        rng = np.random.default_rng(0)
        np.savez(
            folder / "cases.npz",
            image=rng.integers(0, 256, size=(3, channels, 16, 16), dtype=np.uint8),
            map=rng.integers(0, 256, size=(3, 16, 16), dtype=np.uint8),
            mask=np.ones((3, 16, 16), dtype=bool),
            method=np.zeros(3, dtype=np.int64),
            right=np.ones(3, dtype=bool),
            predicted=np.ones(3, dtype=np.int64),
            probability=np.array([0.98, 0.9, 0.8]),
            inside=np.array([0.75, 0.5, np.nan]),
            border=np.array([0.2, 0.3, np.nan]),
        )
    return run


@pytest.mark.parametrize("channels", [1, 3])
def test_cases_are_shown_beside_their_maps(make_run: MakeRun, channels: int) -> None:
    found = view(read_contents(with_maps(make_run(), channels=channels)))
    assert found is not None
    right, wrong = found.sheets["none"]
    assert right.text == (
        "carcinoma (0.98), 75% on the foreground; carcinoma (0.90), 50% on the foreground; "
        "carcinoma (0.80), no map"
    )
    assert right.sheet is not None
    assert right.sheet.n == 6
    assert wrong.sheet is None
    assert wrong.text == "No test image of this class was wrongly answered."


def test_shares_are_written_beside_the_area_with_their_interval(make_run: MakeRun) -> None:
    found = view(read_contents(with_maps(make_run())))
    assert found is not None
    row = found.rows["none"]
    assert row.foreground == ShareCell("70%", "40% of the area", "+30 points", "+22 to +36")
    assert row.wrong is None
    page = write_report(with_maps(make_run())).read_text(encoding="utf-8")
    for words in (
        f"{times(3, 4)} fields",
        "cannot show",
        "2 without a map",
        "70%",
        "look at the white lines",
        "data:image/png",
    ):
        assert words in page


@pytest.mark.parametrize(("border", "warned"), [(0.6, True), (0.45, False), (0.3, False)])
def test_a_classifier_that_looks_at_the_border_is_named(
    make_run: MakeRun, border: float, warned: bool
) -> None:
    found = view(read_contents(with_maps(make_run(), border=border)))
    assert found is not None
    assert len(found.warnings) == warned
    if warned:
        assert re.search(r"none .*60%.*44%", found.warnings[0])


def test_maps_too_coarse_for_the_border_have_no_column_for_it(make_run: MakeRun) -> None:
    page = write_report(with_maps(make_run(), border=None, cases=False)).read_text(encoding="utf-8")
    assert "too coarse here" in page
    assert ">Border</th>" not in page


def test_without_evidence_the_section_is_left_out(make_run: MakeRun) -> None:
    assert view(read_contents(make_run())) is None


def test_brightness_grows_with_the_value() -> None:
    colors = colored(np.arange(256, dtype=np.uint8)[None, None])[0, :, 0]
    linear = np.where(
        colors / 255 <= 0.04045, colors / 255 / 12.92, ((colors / 255 + 0.055) / 1.055) ** 2.4
    )
    luminance = np.array([0.2126, 0.7152, 0.0722]) @ linear
    assert (np.diff(luminance) > 0).all()
    assert luminance[0] < 0.03
    assert luminance[-1] > 0.75


def test_image_overlay_image_overlay() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(3, 1, 6, 7), dtype=np.uint8)
    maps, masks = (
        rng.integers(0, 256, size=(3, 6, 7), dtype=np.uint8),
        np.zeros((3, 6, 7), dtype=bool),
    )
    masks[1, 1:5, 1:5] = True
    shown = beside_overlays(images, maps, masks)
    assert shown.shape == (6, 3, 6, 7)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown[::2], np.repeat(images, 3, axis=1))
    expected = np.rint(0.5 * colored(maps) + 0.5 * images)
    np.testing.assert_array_equal(shown[1], expected[0])
    edge = masks[1].copy()
    edge[2:4, 2:4] = False
    assert (shown[3][:, edge] == 255).all()
    np.testing.assert_array_equal(shown[3][:, ~edge], expected[1][:, ~edge])


def test_color_images_stay_in_color_beside_the_gray_overlay() -> None:
    image = np.stack([np.full((4, 4), v, dtype=np.uint8) for v in (30, 60, 90)])[None]
    shown = beside_overlays(
        image, np.zeros((1, 4, 4), dtype=np.uint8), np.ones((1, 4, 4), dtype=bool)
    )
    np.testing.assert_array_equal(shown[0], image[0])
    np.testing.assert_array_equal(shown[1, :, 0, 0], np.rint(0.5 * np.array([68, 1, 84]) + 30))


def test_methods_whose_network_has_no_map_are_named(make_run: MakeRun) -> None:
    folder = make_run()
    (folder / "evidence" / "attention").mkdir(parents=True)
    write_json(
        folder / "evidence" / "attention" / "attention.json", {"left_out": ["none", "focal"]}
    )
    section = view(read_contents(folder))
    assert section is not None
    assert (section.left_out, section.rows) == ("none, focal", {})
    page = write_report(folder).read_text(encoding="utf-8")
    assert "Left out: none, focal." in page
    assert "no evidence for the answer" not in page
