"""The section on image quality: sentences follow from the numbers, names are escaped."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipoise.atomic import write_json
from equipoise.report.html import write_report
from equipoise.report.run_contents import read_contents
from equipoise.report.sections.quality import COLUMNS, view

MakeRun = Callable[..., Path]
KID = {"dcgan": (0.2, 0.1, 0.3), "cdcgan": (0.04, -0.02, 0.1)}
FLOOR = (0.01, -0.03, 0.05)


def mean(
    method: str, measure: str, part: tuple[float, float, float], floor: tuple[float, float, float]
) -> Any:
    names = ("value", "low", "high", "floor", "floor_low", "floor_high")
    facts = {
        "label": 1,
        "measure": measure,
        "method": method,
        "n": [30, 32],
        "runs": 4,
        "sd": 0.012,
        "refused": "",
    }
    return {**facts, "sources": ["validation"], **dict(zip(names, (*part, *floor), strict=True))}


def with_quality(
    run: Path,
    kid: dict[str, tuple[float, float, float]] = KID,
    floor: tuple[float, float, float] = FLOOR,
    told: float = 0.99,
    **changes: Any,
) -> Path:
    means = []
    for method, part in kid.items():
        for measure in COLUMNS:
            value = {"kid": part, "two_sample": (told, told - 0.05, 1.0)}.get(
                measure, (0.5, 0.4, 0.6)
            )
            means.append(
                mean(method, measure, value, floor if measure == "kid" else (0.55, 0.4, 0.7))
                | changes
            )
    last = {"label": 1, "measure": "fid", "method": "cdcgan", "n": [30, 30], "runs": 0, "sd": None}
    means[-1] = {
        **last,
        "sources": ["validation"],
        "refused": "30 images are too few: FID would prefer less.",
    }
    facts = {
        "extractor": "classifier",
        "label_extractor": "random",
        "baseline": "none",
        "n_draws": 5,
    }
    (run / "evidence" / "quality").mkdir(parents=True)
    write_json(run / "evidence" / "quality" / "quality.json", {**facts, "means": means})
    return run


def sentences(run: Path) -> str:
    found = view(read_contents(run))
    assert found is not None
    return " ".join(found.classes[0].sentences)


def test_the_nearest_generator_is_measured_against_the_floor(make_run: MakeRun) -> None:
    said = sentences(with_quality(make_run()))
    assert re.search(r"carcinoma closest .* cdcgan: no farther", said)
    assert re.search("30\N{EN DASH}32 .*KID 0\\.040, .* 0\\.010", said)
    assert "distinguishes the images of dcgan" in said


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"floor": (-0.2, -0.3, -0.1)},
            "No synthetic images of carcinoma",
        ),
        ({"floor": (0.1, 0.02, 0.2)}, "the same holds for dcgan."),
        ({"floor": (0.1, 0.02, 0.2)}, "Even real images of the two"),
        (
            {"told": 0.6},
            "dcgan and cdcgan are not detectably",
        ),
        (
            {"sources": ["training"]},
            "too few images of carcinoma",
        ),
        (
            {"refused": "There are too few."},
            "cannot be said: There",
        ),
    ],
)
def test_what_is_said_follows_from_the_numbers(
    make_run: MakeRun, changes: dict[str, Any], expected: str
) -> None:
    assert expected in sentences(with_quality(make_run(), **changes))


def test_page_has_table_figure_floor_and_refusal(make_run: MakeRun) -> None:
    text = write_report(with_quality(make_run())).read_text(encoding="utf-8")
    section = text.split('id="sections-quality"')[1].split("<section")[0]
    assert all(heading in section for heading in COLUMNS.values())
    assert "0.040 ± 0.012" in section
    assert "real 0.010" in section
    assert "FID would prefer less." in section
    label = "dcgan: KID 0.200, interval 0.100 to 0.300; real images \N{MINUS SIGN}0.030 to 0.050"
    assert f'role="img" aria-label="{label}"' in section
    assert section.count("<rect") == 2  # the band of real images, for each method
    assert "published ones" in section


def test_names_are_escaped_and_a_refused_class_has_no_figure(make_run: MakeRun) -> None:
    run = with_quality(make_run(class_names=("a", "<script>alert(1)</script>")), refused="Too few.")
    text = write_report(run).read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "<rect" not in text.split('id="sections-quality"')[1].split("<section")[0]


def test_no_section_where_nothing_was_gathered(make_run: MakeRun) -> None:
    assert view(read_contents(make_run())) is None
