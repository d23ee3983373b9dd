"""Axial slices with what the doctors and every method drew, in the best, the median and the worst patient."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.atomic import read_json
from equipoise.evidence.gathering import stored
from equipoise.experiments.region_metrics import by_size
from equipoise.report.contours import outline
from equipoise.report.figures import Style
from equipoise.report.formatting import decimal, sentence_case
from equipoise.report.images import png
from equipoise.report.run_contents import Contents

HEADING = "What the methods draw"
ORDER = 20
TASKS = ("segmentation",)
# Bright on dark tissue, and of different brightness; the largest region first.
COLORS = ("#56b4e9", "#e69f00", "#f0e442", "#cc79a7", "#ffffff", "#009e73")
TRUTH = "4 3"  # dashes
REASONS = {
    "most tumor": "The slice with most tumor.",
    "most errors": "The slice where they err most.",
}
COARSE = 100  # pixels: images with fewer show their pixels

Codes = NDArray[np.uint8]
Regions = Sequence[tuple[str, Sequence[int]]]


@dataclass(frozen=True)
class Line:
    """The outline of a region: an SVG path and how it looks."""

    path: str
    style: Style


@dataclass(frozen=True)
class Drawing:
    """A slice under outlines; the picture is the id of an image in the page."""

    caption: str
    note: str
    method: str | None
    text: str
    picture: str
    lines: Sequence[Line]
    width: int
    height: float
    ratio: float


@dataclass(frozen=True)
class Row:
    """Drawings of one slice."""

    title: str
    drawings: Sequence[Drawing]


@dataclass(frozen=True)
class Scene:
    """All that the evidence holds."""

    facts: Mapping[str, Any]
    pixels: Mapping[str, Codes]
    regions: Regions

    @property
    def styles(self) -> dict[str, Style]:
        """Colors of the regions."""
        return {name: Style(COLORS[i % len(COLORS)]) for i, (name, _) in enumerate(self.regions)}


def view(contents: Contents) -> dict[str, Any] | None:
    """Give the drawings; None where no slices were gathered."""
    paths = [stored(contents.folder, "slices", name) for name in ("slices.json", "slices.npz")]
    if paths[0] is None or paths[1] is None:
        return None
    with np.load(paths[1], allow_pickle=False) as arrays:
        pixels = {name: arrays[name] for name in arrays.files}
    found = contents.description.volumes.regions
    scene = Scene(read_json(paths[0]), pixels, [(name, found[name]) for name in by_size(found)])
    reference = scene.facts["reference"]
    return {
        "regions": scene.styles,
        "truth": TRUTH,
        "reference": reference,
        "patients": _shared(scene, reference),
        "own": {
            name: list(_own(scene, name)) for name in scene.facts["methods"] if name != reference
        },
        "pictures": _pictures(scene),
        "left_out": len(contents.methods) - len(scene.facts["methods"]),
        "coarse": max(
            max(codes.shape) for name, codes in pixels.items() if name.startswith("truth")
        )
        < COARSE,
    }


def _shared(scene: Scene, reference: str) -> dict[str, list[Row]]:
    """Show every method on the same slices: of the reference's best, median and worst patient."""
    rows: dict[str, list[Row]] = {}
    for exhibit in _of(scene, reference):
        patient = scene.facts["slices"][exhibit["slice"]]["patient"]
        title = f"{sentence_case(exhibit['role'])} patient of {reference}: patient {patient}"
        drawings = [
            *_plain(scene, exhibit["slice"]),
            *_drawn(scene, exhibit["slice"], scene.facts["methods"]),
        ]
        score = f"mean Dice {decimal(exhibit['mean_dice'], 2)}"
        rows.setdefault(f"{title} ({score})", []).append(Row(REASONS[exhibit["reason"]], drawings))
    return rows


def _own(scene: Scene, method: str) -> Iterator[Drawing]:
    """Show a method's own best, median and worst patient."""
    for exhibit in _of(scene, method):
        patient = scene.facts["slices"][exhibit["slice"]]["patient"]
        note = f"{exhibit['reason']}; mean Dice {decimal(exhibit['mean_dice'], 2)}"
        caption = f"{sentence_case(exhibit['role'])}: patient {patient}"
        for drawing in _drawn(scene, exhibit["slice"], [method]):
            yield replace(drawing, method=None, caption=caption, note=note)


def _of(scene: Scene, method: str) -> list[Mapping[str, Any]]:
    return [exhibit for exhibit in scene.facts["exhibits"] if exhibit["of"] == method]


def _plain(scene: Scene, i: int) -> Iterator[Drawing]:
    """Give the slice without lines in each modality that was kept, then what the doctors drew."""
    for m, modality in enumerate(scene.facts["modalities"]):
        yield _drawing(scene, i, modality, "no lines", picture=m)
    yield _drawing(
        scene, i, "The doctors", "dashed", lines=_lines(scene, scene.pixels[f"truth_{i}"], TRUTH)
    )


def _drawn(scene: Scene, i: int, methods: Sequence[str]) -> Iterator[Drawing]:
    """Give the slice with what each of `methods` drew over what the doctors did."""
    for name in methods:
        codes = scene.pixels.get(f"drawn_{i}_{scene.facts['methods'].index(name)}")
        if codes is None:
            continue
        dice = scene.facts["dice"][name][str(scene.facts["slices"][i]["patient"])]
        note = "Dice " + ", ".join(
            f"{region} {decimal(dice[region], 2)}" for region, _ in scene.regions
        )
        lines = [*_lines(scene, scene.pixels[f"truth_{i}"], TRUTH), *_lines(scene, codes, "")]
        yield _drawing(scene, i, name, note, method=name, lines=lines)


def _drawing(
    scene: Scene, i: int, caption: str, note: str, *, picture: int = 0, method: str | None = None,
    lines: Sequence[Line] = (),
) -> Drawing:  # fmt: skip
    found = scene.facts["slices"][i]
    height, width = scene.pixels[f"truth_{i}"].shape
    return Drawing(
        caption=caption,
        note=note,
        method=method,
        text=f"Slice {found['z']} of patient {found['patient']}, {caption}: {note}",
        picture=_id(i, picture),
        lines=lines,
        width=width,
        height=round(height * found["ratio"], 2),
        ratio=found["ratio"],
    )


def _lines(scene: Scene, codes: Codes, dash: str) -> list[Line]:
    """Outline every region that a map (h, w) has."""
    paths = {name: outline(np.isin(codes, parts)) for name, parts in scene.regions}
    return [
        Line(path, Style(scene.styles[name].color, dash)) for name, path in paths.items() if path
    ]


def _pictures(scene: Scene) -> list[dict[str, Any]]:
    """Give every picture once; drawings refer to it."""
    shared = {exhibit["slice"] for exhibit in _of(scene, scene.facts["reference"])}
    return [
        {
            "id": _id(i, m),
            "uri": png(image[..., None]),
            "width": image.shape[1],
            "height": round(image.shape[0] * found["ratio"], 2),
        }
        for i, found in enumerate(scene.facts["slices"])
        for m, image in enumerate(scene.pixels[f"image_{i}"])
        if m == 0 or i in shared
    ]


def _id(i: int, modality: int) -> str:
    return f"slice-{i}-{modality}"
