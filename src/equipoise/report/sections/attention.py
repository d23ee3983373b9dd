"""Where the classifiers look: Grad-CAM maps of right and wrong answers, and how much lies where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from equipoise.report.evidence_files import Arrays, read_arrays, read_evidence, records_of
from equipoise.report.formatting import interval, plural, signed, times
from equipoise.report.images import ImageGroup, contact_sheet, images_per_sheet
from equipoise.report.run_contents import Contents

Pixels = NDArray[np.uint8]

HEADING = "What the classifiers look at"
ORDER = 80
# Viridis at ten equal steps (Smith and van der Walt 2015, CC0): brightness alone shows the order.
VIRIDIS = (
    *("#440154", "#482878", "#3e4989", "#31688e", "#26828e"),
    *("#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"),
)
OPACITY = 0.5
WHOLE_RANGE = (0.0, 255.0)
BORDER_EXCESS = 0.05  # share of mass above the share of area from which the report warns


@dataclass(frozen=True, kw_only=True)
class MapShare:
    """The mean share of the maps of a method that lies in a region, as `attention.json` stores it.

    Attributes:
        method: Name of the method.
        region: "foreground" or "border".
        answers: "all", "right" or "wrong".
        n: Test images.
        n_without: Images without a map or a foreground; left out.
        mass: Share of the maps' mass, 0 to 1; None where no image has both.
        area: Share of the images' area.
        low: Lower end of the 95 % interval of mass minus area.
        high: Upper end.
    """

    method: str
    region: str
    answers: str
    n: int
    n_without: int
    mass: float | None
    area: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ShareCell:
    """A share in the table: of the mass, of the area, their difference and its interval."""

    mass: str
    area: str
    more: str
    interval: str


@dataclass(frozen=True, kw_only=True)
class AttentionRow:
    """A method in the table; None where there is no such share."""

    foreground: ShareCell | None
    right: ShareCell | None
    wrong: ShareCell | None
    border: ShareCell | None
    n: str
    without: int


@dataclass(frozen=True, kw_only=True)
class AttentionView:
    """What the template of this section shows."""

    sheets: Mapping[str, Sequence[ImageGroup]]
    rows: Mapping[str, AttentionRow]
    colors: Sequence[str]
    sides: str
    too_coarse: bool
    masks_given: bool
    split: str
    seed: int
    warnings: Sequence[str]
    left_out: str


def view(contents: Contents) -> AttentionView | None:
    """Return sheets of cases and the table of shares; None where no maps were gathered."""
    evidence = read_evidence(contents.folder, "attention", "attention.json")
    if evidence is None:
        return None
    left_out = ", ".join(evidence.get("left_out", []))
    if "methods" not in evidence:
        return nothing_mapped(left_out)
    shares = records_of(MapShare, evidence["shares"])
    methods: list[str] = evidence["methods"]
    rows: dict[str, AttentionRow] = {}
    warnings: list[str] = []
    for method in methods:
        rows[method] = table_row(method, shares)
        border = find_share(shares, method, "border", "all")
        if border is not None and border.low is not None and border.low > BORDER_EXCESS:
            warnings.append(border_warning(border))
    map_sides = set()
    for height, width in evidence["map_sides"].values():
        map_sides.add(times(height, width))
    return AttentionView(
        sheets=case_sheets(contents, methods),
        rows=rows,
        colors=VIRIDIS,
        sides=" or ".join(sorted(map_sides)),
        too_coarse=not any(share.region == "border" for share in shares),
        masks_given=evidence["masks"] == "given",
        split=evidence["split"],
        seed=evidence["seed"],
        warnings=warnings,
        left_out=left_out,
    )


def nothing_mapped(left_out: str) -> AttentionView:
    """Return the section of a run whose networks have no map."""
    return AttentionView(
        sheets={},
        rows={},
        colors=VIRIDIS,
        sides="",
        too_coarse=True,
        masks_given=False,
        split="",
        seed=0,
        warnings=[],
        left_out=left_out,
    )


def find_share(
    shares: Sequence[MapShare], method: str, region: str, answers: str
) -> MapShare | None:
    """Return the share of a method in a region, over all, right or wrong answers."""
    for share in shares:
        if (share.method, share.region, share.answers) == (method, region, answers):
            return share
    return None


def table_row(method: str, shares: Sequence[MapShare]) -> AttentionRow:
    """Return the row of a method."""
    whole = find_share(shares, method, "foreground", "all")
    return AttentionRow(
        foreground=share_cell(whole),
        right=share_cell(find_share(shares, method, "foreground", "right")),
        wrong=share_cell(find_share(shares, method, "foreground", "wrong")),
        border=share_cell(find_share(shares, method, "border", "all")),
        n=plural(0 if whole is None else whole.n, "image"),
        without=0 if whole is None else whole.n_without,
    )


def share_cell(share: MapShare | None) -> ShareCell | None:
    """Return a cell of the table; None where there is no share."""
    if share is None or share.mass is None or share.area is None:
        return None
    low = None if share.low is None else 100 * share.low
    high = None if share.high is None else 100 * share.high
    return ShareCell(
        mass=f"{share.mass:.0%}",
        area=f"{share.area:.0%} of the area",
        more=f"{signed(100 * (share.mass - share.area), 0)} points",
        interval=interval(low, high, lambda value: signed(value, 0)),
    )


def border_warning(share: MapShare) -> str:
    """Return the warning that a classifier looks at the border more than its area explains."""
    return (
        f"{share.method} draws {share.mass:.0%} of its evidence from the outer eighth of the "
        f"images, which is {share.area:.0%} of their area. Letters, edges or a scanner's mark "
        "there may show where an image comes from rather than what it shows. Check how this "
        "method does on images cropped to the center."
    )


def case_sheets(contents: Contents, methods: Sequence[str]) -> dict[str, list[ImageGroup]]:
    """Return the cases of each method, image beside overlay: right answers, then wrong."""
    cases = read_arrays(contents.folder, "attention", "cases.npz")
    if cases is None:
        return {}
    most = images_per_sheet((3, *cases["map"].shape[1:]), 2 * len(methods)) // 2
    sheets: dict[str, list[ImageGroup]] = {}
    for code, method in enumerate(methods):
        of_method = cases["method"] == code
        for right, kind in ((True, "rightly answered"), (False, "wrongly answered")):
            rows = np.flatnonzero(of_method & (cases["right"] == right))[:most]
            selected = {name: column[rows] for name, column in cases.items()}
            sheets.setdefault(method, []).append(
                image_group(selected, method, kind, contents.class_names)
            )
    return sheets


def image_group(cases: Arrays, method: str, kind: str, class_names: Sequence[str]) -> ImageGroup:
    """Return the sheet of some cases, and in words what was answered and where the maps lie."""
    if not len(cases["map"]):
        return ImageGroup(method, kind, None, f"No test image of this class was {kind}.")
    overlays = beside_overlays(cases["image"], cases["map"], cases["mask"])
    answers = []
    for i, inside in enumerate(cases["inside"]):
        place = "no map" if np.isnan(inside) else f"{inside:.0%} on the foreground"
        name, probability = class_names[cases["predicted"][i]], cases["probability"][i]
        answers.append(f"{name} ({probability:.2f}), {place}")
    return ImageGroup(method, kind, contact_sheet(overlays, WHOLE_RANGE), "; ".join(answers))


def colored(maps: Pixels) -> NDArray[np.float64]:
    """Return the colors of maps (n, h, w) as (n, 3, h, w) from 0 to 255."""
    places = np.linspace(0, 255, len(VIRIDIS))
    channels = []
    for start in (1, 3, 5):  # of the red, green and blue digits in "#rrggbb"
        anchors = [int(color[start : start + 2], 16) for color in VIRIDIS]
        channels.append(np.interp(maps, places, np.array(anchors, dtype=np.float64)))
    return np.stack(channels, axis=1)


def beside_overlays(images: Pixels, maps: Pixels, masks: NDArray[np.bool_]) -> Pixels:
    """Put each image beside its overlay: gray under the map, the foreground's edge in white.

    Args:
        images: (n, c, h, w), c = 1 or 3.
        maps: (n, h, w).
        masks: (n, h, w) True in the foreground.

    Returns:
        (2 n, 3, h, w): image, overlay, image, overlay, ...
    """
    gray = images.mean(axis=1, keepdims=True)  # (n, 1, h, w)
    overlays = np.rint(OPACITY * colored(maps) + (1 - OPACITY) * gray).astype(np.uint8)
    edges = np.zeros(masks.shape, dtype=bool)
    for i, mask in enumerate(masks):
        edges[i] = mask & ~binary_erosion(mask, border_value=1)
    overlays = np.where(edges[:, None], np.uint8(255), overlays)
    in_color = np.broadcast_to(images, (len(images), 3, *images.shape[2:]))
    return np.stack([in_color, overlays], axis=1).reshape(-1, *overlays.shape[1:])
