"""The section on image quality: sentences follow from the numbers, names are escaped."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from equipoise.atomic import read_json, write_json
from equipoise.report.html import write_report
from equipoise.report.run_contents import read_contents
from equipoise.report.sections.quality import BY_EXTRACTOR, OF_IMAGES, view

MakeRun = Callable[..., Path]
Ends = tuple[float, float, float]  # a value and the ends of its interval
UNSEEN: Ends = (0.55, 0.45, 0.65)
TOLD = {
    "dcgan": {"random": UNSEEN, "spectrum": (0.99, 0.95, 1.0)},
    "cdcgan": {"random": UNSEEN, "spectrum": UNSEEN},
}
KID: Ends = (0.04, -0.02, 0.1)
FLOOR: Ends = (0.01, -0.03, 0.05)


def mean(method: str, measure: str, extractor: str, part: Ends, floor: Ends) -> Any:
    names = ("value", "low", "high", "floor", "floor_low", "floor_high")
    facts = {
        "label": 1,
        "measure": measure,
        "extractor": extractor,
        "method": method,
        "n": [30, 32],
        "runs": 4,
        "sd": 0.012,
        "refused": "",
        "sources": ["validation"],
    }
    return facts | dict(zip(names, (*part, *floor), strict=True))


def with_quality(
    run: Path,
    told: dict[str, dict[str, Ends]] = TOLD,
    kid: Ends = KID,
    kid_floor: Ends = FLOOR,
    separations: Sequence[dict[str, Any]] = (),
    **changes: Any,
) -> Path:
    means = []
    for method, tests in told.items():
        for extractor, test in tests.items():
            for measure in (*BY_EXTRACTOR, "detectable"):
                part = {"two_sample": test, "kid": kid}.get(measure, (0.5, 0.4, 0.6))
                floor = kid_floor if measure == "kid" else (0.52, 0.4, 0.64)
                means.append(mean(method, measure, extractor, part, floor) | changes)
        for measure in OF_IMAGES:
            means.append(mean(method, measure, "", (0.7, 0.6, 0.8), (0.8, 0.7, 0.9)) | changes)
    for row in means:
        if row["measure"] == "fid":
            row["refused"] = "30 images are too few: FID would prefer less."
    facts = {
        "extractors": ["random", "spectrum"],
        "label_extractor": "random",
        "baseline": "none",
        "n_draws": 5,
        "separations": list(separations),
        "notes": ["No <weights>."],
        "release": {},
    }
    (run / "evidence" / "quality").mkdir(parents=True)
    write_json(run / "evidence" / "quality" / "quality.json", {**facts, "means": means})
    return run


def sentences(run: Path) -> str:
    found = view(read_contents(run))
    assert found is not None
    return " ".join(found.classes[0].sentences)


def test_images_are_close_only_if_no_extractor_sees_a_difference(make_run: MakeRun) -> None:
    said = sentences(with_quality(make_run()))
    assert re.search(
        r"by dcgan differ .* by the radial power spectrum \(AUROC 0\.99 \[0\.95, 1\.00\], other "
        r"real images 0\.52 \[0\.40, 0\.64\]\)\. No difference seen by a random network",
        said,
    )
    assert "No difference seen by a random network" in said
    assert re.search(r"by cdcgan are as close .* every .* 30\N{EN DASH}32 images", said)
    assert "An AUROC of 0.50 would have been found 8 times in 10." in said
    assert "AUROC 0.70 [0.60, 0.80] on real images; one" in said


def test_wide_intervals_are_no_evidence_of_closeness(make_run: MakeRun) -> None:
    wide = {"dcgan": {"random": (0.6, 0.35, 0.82), "spectrum": UNSEEN}}
    said = sentences(with_quality(make_run(), told=wide))
    assert re.search(r"cannot be told from .*AUROC 0\.60 \[0\.35, 0\.82\]", said)
    assert "in every feature extractor" not in said


def test_an_interval_above_real_images_and_chance_is_a_difference_however_wide_theirs(
    make_run: MakeRun,
) -> None:
    """Their intervals overlap: 0.40 to 0.64 of real images."""
    overlapping = {"dcgan": {"random": (0.8, 0.6, 0.95), "spectrum": UNSEEN}}
    assert "by dcgan differ" in sentences(with_quality(make_run(), told=overlapping))


def test_a_collapse_is_a_difference(make_run: MakeRun) -> None:
    run = with_quality(make_run(), told={"dcgan": {"random": UNSEEN, "spectrum": UNSEEN}})
    path = run / "evidence" / "quality" / "quality.json"
    evidence = read_json(path)
    for row in evidence["means"]:
        if (row["measure"], row["extractor"]) == ("recall", "random"):
            row["value"] = 0.1
    write_json(path, evidence)
    assert re.search(r"by dcgan differ .*random network .*recall 0\.100 against", sentences(run))


def test_a_difference_in_kid_alone_is_a_difference(make_run: MakeRun) -> None:
    said = sentences(with_quality(make_run(), kid=(0.08, 0.06, 0.1)))
    assert "as close" not in said
    assert "KID 0.080 against 0.010" in said


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"kid_floor": (0.1, 0.02, 0.2)}, "Even real images of the two"),
        ({"sources": ["training"]}, "too few images of carcinoma"),
        ({"refused": "There are too few."}, "cannot be said: There"),
    ],
)
def test_what_is_said_follows_from_the_numbers(
    make_run: MakeRun, changes: dict[str, Any], expected: str
) -> None:
    assert expected in sentences(with_quality(make_run(), **changes))


def test_a_classifier_that_tells_no_classes_apart_is_named_with_its_number(
    make_run: MakeRun,
) -> None:
    unusable = {"label": 1, "auroc": 0.5, "low": 0.4, "high": 0.6, "refused": "AUROC 0.50."}
    usable = {"label": 1, "auroc": 0.9, "low": 0.8, "high": 1.0, "refused": ""}
    said = sentences(
        with_quality(make_run(), separations=[unusable, usable, {**unusable, "label": 0}])
    )
    assert "in 1 of 2 runs. AUROC 0.50." in said


def test_page_has_tables_figure_floor_and_refusal(make_run: MakeRun) -> None:
    text = write_report(with_quality(make_run())).read_text(encoding="utf-8")
    section = text.split('id="sections-quality"')[1].split("<section")[0]
    for heading in (*BY_EXTRACTOR.values(), *OF_IMAGES.values()):
        assert heading in section
    assert "0.990 ± 0.012" in section
    assert "real 0.520" in section
    assert "FID would prefer less." in section
    assert "No &lt;weights&gt;." in section
    label = (
        "dcgan, the radial power spectrum: AUROC 0.990, interval 0.950 to 1.000; "
        "real images 0.400 to 0.640"
    )
    assert f'role="img" aria-label="{label}"' in section
    assert section.count("<rect") == 4  # the band of real images, by method and extractor


def test_evidence_of_an_earlier_version_has_no_section(make_run: MakeRun) -> None:
    run = make_run()
    (run / "evidence" / "quality").mkdir(parents=True)
    write_json(run / "evidence" / "quality" / "quality.json", {"extractor": "random", "means": []})
    assert view(read_contents(run)) is None


def test_names_are_escaped_and_a_refused_class_has_no_figure(make_run: MakeRun) -> None:
    run = with_quality(make_run(class_names=("a", "<script>alert(1)</script>")), refused="Too few.")
    text = write_report(run).read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "<rect" not in text.split('id="sections-quality"')[1].split("<section")[0]


def test_no_section_where_nothing_was_gathered(make_run: MakeRun) -> None:
    assert view(read_contents(make_run())) is None
