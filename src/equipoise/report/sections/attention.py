"""What the classifiers look at: Grad-CAM of right and wrong answers, and how much of it lies on the foreground."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from equipoise.atomic import read_json
from equipoise.evidence.gathering import stored
from equipoise.report.formatting import interval, plural, signed, times
from equipoise.report.images import Exhibit, contact_sheet, images_per_sheet
from equipoise.report.run_contents import Contents

Pixels = NDArray[np.uint8]

# Viridis at ten equal steps (Smith and van der Walt 2015, CC0): brightness alone tells the order, to everyone.
VIRIDIS = (
    "#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725",
)  # fmt: skip
OPACITY = 0.5


def colored(maps: Pixels) -> NDArray[np.float64]:
    """Give the colors of maps (n, h, w) as (n, 3, h, w) from 0 to 255."""
    anchors = np.array(
        [[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in VIRIDIS], dtype=np.float64
    )
    places = np.linspace(0, 255, len(VIRIDIS))
    return np.stack([np.interp(maps, places, anchors[:, channel]) for channel in range(3)], axis=1)


def beside_overlays(images: Pixels, maps: Pixels, masks: NDArray[np.bool_]) -> Pixels:
    """Put each image beside the same in gray under its map; the edge of the foreground is white.

    Args:
        images: (n, c, h, w), c = 1 or 3.
        maps: (n, h, w).
        masks: (n, h, w) True in the foreground.

    Returns:
        (2 n, 3, h, w): image, overlay, image, overlay, ...
    """
    gray = images.mean(axis=1, keepdims=True)
    over = np.rint(OPACITY * colored(maps) + (1 - OPACITY) * gray).astype(np.uint8)
    edges = np.array([mask & ~binary_erosion(mask, border_value=1) for mask in masks], dtype=bool)
    over = np.where(edges[:, None], np.uint8(255), over)
    plain = np.broadcast_to(images, (len(images), 3, *images.shape[2:]))
    return np.stack([plain, over], axis=1).reshape(-1, *over.shape[1:])


HEADING = "What the classifiers look at"
ORDER = 80
WHOLE = (0.0, 255.0)
REGIONS = ("foreground", "border")
ANSWERS = ("right", "wrong")
MUCH = 0.05  # share of mass above the share of area from which a page warns: less hardly decides an answer

Cases = Mapping[str, NDArray[Any]]


def view(contents: Contents) -> dict[str, Any] | None:
    """Give sheets of cases and the table of shares; None where no classifier was looked at."""
    path = stored(contents.folder, "attention", "attention.json")
    if path is None:
        return None
    found = read_json(path)
    shares = {(row["method"], row["region"], row["answers"]): row for row in found["shares"]}
    return {
        "sheets": _sheets(contents, found["methods"]),
        "rows": {name: _row(name, shares) for name in found["methods"]},
        "colors": VIRIDIS,
        "sides": _sides(found["map_sides"]),
        "too_coarse": not any(row["region"] == "border" for row in found["shares"]),
        "masks_given": found["masks"] == "given",
        "split": found["split"],
        "seed": found["seed"],
        "warnings": [
            w
            for name in found["methods"]
            if (w := _warning(name, shares.get((name, "border", "all"))))
        ],
    }


def _sheets(contents: Contents, methods: Sequence[str]) -> dict[str, list[Exhibit]]:
    """Lay out the cases of each method, image beside overlay."""
    path = stored(contents.folder, "attention", "cases.npz")
    if path is None:
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        cases = {name: arrays[name] for name in arrays.files}
    most = images_per_sheet((3, *cases["map"].shape[1:]), 2 * len(methods)) // 2
    names = contents.class_names
    return {
        method: [_exhibit(cases, (i, right), method, names, most) for right in (True, False)]
        for i, method in enumerate(methods)
    }


def _exhibit(
    cases: Cases, which: tuple[int, bool], method: str, names: Sequence[str], most: int
) -> Exhibit:
    """Show the first `most` cases of a method that it answered rightly, or wrongly."""
    kind = "rightly answered" if which[1] else "wrongly answered"
    rows = np.flatnonzero((cases["method"] == which[0]) & (cases["right"] == which[1]))[:most]
    shown = {name: column[rows] for name, column in cases.items()}
    if not len(shown["map"]):
        return Exhibit(method, kind, None, f"No test image of this class was {kind}.")
    sheet = contact_sheet(beside_overlays(shown["image"], shown["map"], shown["mask"]), WHOLE)
    answers = zip(shown["predicted"], shown["probability"], shown["inside"], strict=True)
    text = "; ".join(
        _case(names[code], probability, inside) for code, probability, inside in answers
    )
    return Exhibit(method, kind, sheet, text)


def _case(name: str, probability: float, inside: float) -> str:
    """Write what was answered to one image, and where the map lies."""
    place = "no map" if np.isnan(inside) else f"{inside:.0%} on the foreground"
    return f"{name} ({probability:.2f}), {place}"


def _row(name: str, shares: Mapping[tuple[str, str, str], Mapping[str, Any]]) -> dict[str, Any]:
    """Write the shares of one method."""
    cells = {region: _share(shares.get((name, region, "all"))) for region in REGIONS}
    split = {answers: _share(shares.get((name, "foreground", answers))) for answers in ANSWERS}
    whole = shares[name, "foreground", "all"]
    return {**cells, **split, "n": plural(whole["n"], "image"), "without": whole["n_without"]}


def _share(row: Mapping[str, Any] | None) -> dict[str, str] | None:
    if row is None or row["mass"] is None:
        return None
    difference = row["mass"] - row["area"]
    points = f"{signed(100 * difference, 0)} points"
    ends = interval(100 * row["low"], 100 * row["high"], lambda value: signed(value, 0))
    area = f"{row['area']:.0%} of the area"
    return {"mass": f"{row['mass']:.0%}", "area": area, "more": points, "interval": ends}


def _warning(name: str, row: Mapping[str, Any] | None) -> str | None:
    """Say where a classifier looks at the border of the images much more than its area explains."""
    if row is None or row["low"] is None or row["low"] <= MUCH:
        return None
    return (
        f"{name} takes {row['mass']:.0%} of its evidence from the outer eighth of the images, which is "
        f"{row['area']:.0%} of the area. What stands there (letters, edges, a scanner's mark) may tell it where an "
        "image is from rather than what it shows. See how it does on images cut to the middle."
    )


def _sides(sides: Mapping[str, Sequence[int]]) -> str:
    return " or ".join(sorted({times(*side) for side in sides.values()}))
