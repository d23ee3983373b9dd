"""Control for `covid_xray`: can a classifier tell the classes from the border of the film alone?

Every Covid-19 film comes from web collections, every other from one hospital: source and class are
the same thing there. Here the inside of every image is blanked and only a frame of one eighth of
the side is left, where no lung tissue decides anything. What is still found is not disease.

Run from the project's root: `equipoise run studies/covid_border_control.py --out
runs/covid_border_control`.
"""

from dataclasses import replace
from pathlib import Path

from equipoise.data.dataset import ImageDataset
from equipoise.data.images.options import ReadOptions
from equipoise.data.reading import read
from equipoise.experiments.image_plan import plan_study
from equipoise.experiments.protocol import Budget, Protocol

IMAGES = Path("../shared/data/covid_xray")
FRAME = 8  # the frame is 1/8 of the side


def border_only(dataset: ImageDataset) -> ImageDataset:
    """Set all but the frame to black."""
    width = dataset.images.shape[-1] // FRAME
    images = dataset.pixels.copy()
    images[..., width:-width, width:-width] = 0
    return replace(dataset, images=images)


loaded = read(IMAGES, ReadOptions(size=48, fit="crop", table=IMAGES / "manifest.csv"))
study = plan_study(
    replace(loaded, dataset=border_only(loaded.dataset)),
    Protocol(methods=("none", "class_weights"), n_seeds=3, n_splits=3, duplicates="report"),
    Budget(n_steps=400, precision="32-true"),
    name="covid_border_control",
    facts={
        "command": "equipoise run studies/covid_border_control.py",
        "control": "Only a frame of one eighth of the side is left of each film.",
    },
)
