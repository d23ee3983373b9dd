"""Every method of the catalogue on real chest films of children, with one budget (paper S2's images).

Pneumonia is the more frequent class of this set; here 60 of its training images are left beside 600
normal ones, so that it is rare as in paper S2, and more so. Validation and test stay as they are:
the test is the source's own, 234 normal and 390 pneumonia films of other children.

Run from the project's root: `equipoise run studies/all_methods.py --out runs/all_methods`. Stopped,
it goes on. The papers' own settings (methods s0_... to s4_...) are left out: they train for hours.
"""

from pathlib import Path

from equipoise.data.images.options import ReadOptions
from equipoise.data.reading import read
from equipoise.experiments.image_plan import plan_study, thinned
from equipoise.experiments.methods.catalogue import WITHIN_BUDGET
from equipoise.experiments.protocol import Budget, Protocol

IMAGES = Path("../shared/data/kermany_cxr")
KEPT = {"NORMAL": 600, "PNEUMONIA": 60}  # training images
RARE = "PNEUMONIA"
N_SEEDS = 3
BUDGET = Budget(n_steps=500, gan_steps=500, precision="32-true", gan_precision="bf16-mixed")


study = thinned(
    plan_study(
        read(IMAGES, ReadOptions(size=32, table=IMAGES / "manifest.csv")),
        Protocol(methods=WITHIN_BUDGET, n_seeds=N_SEEDS, rare_class=RARE),
        BUDGET,
        name="all_methods",
        facts={
            "command": "equipoise run studies/all_methods.py",
            "imbalance": f"Training images kept: {KEPT}",
        },
    ),
    KEPT,
)
