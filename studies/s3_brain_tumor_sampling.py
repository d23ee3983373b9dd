"""Paper S3: random, balanced and hard-example patches for brain tumors, and variations.

Data: four patients of BraTS 2013 (FLAIR and T1c; the paper has all four sequences of 65 images),
each tested once by networks that learned from two others and were chosen on the fourth. See
docs/methods.md, sections 6 and 8.4.

    equipoise run studies/s3_brain_tumor_sampling.py --out runs/s3 equipoise run
    studies/s3_brain_tumor_sampling.py --protocol beyond --out runs/s3_beyond equipoise run
    studies/s3_brain_tumor_sampling.py --protocol drawn --out runs/s3_drawn        # needs no data
    equipoise run studies/s3_brain_tumor_sampling.py --protocol literal --out runs/s3_literal    #
    wants a GPU

Four patients cannot show much; the drawn ones, of whom there are 24, show what the methods do where
it can be seen.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from imblearn.pipeline import Pipeline

from equipoise.data.phantoms.brains import write_brains
from equipoise.data.reading import read_volumes
from equipoise.data.volumes.options import LoadedVolumes, VolumeOptions
from equipoise.estimators.patches.hard_example import HardExamplePatches
from equipoise.experiments.methods.segmentation import STEP, make_segmenter
from equipoise.experiments.protocol import VolumeBudget, VolumeProtocol
from equipoise.experiments.study import Study
from equipoise.experiments.volume_plan import plan_volume_study

COMMAND = "equipoise run studies/s3_brain_tumor_sampling.py"
VOLUMES = Path(os.environ.get("EQUIPOISE_DATA", "../shared/data")) / "brats2013"
PUBLISHED = {
    "caption": "Dice of paper S3, and ours",
    "columns": [
        ["Dice, whole", "dice_whole"],
        ["Dice, core", "dice_core"],
        ["Dice, active", "dice_active"],
    ],
    "rows": [
        {"arm": "Random", "method": "random", "values": [0.863, 0.776, 0.786]},
        {"arm": "Balanced", "method": "balanced", "values": [0.833, 0.845, 0.862]},
        {"arm": "Hard example", "method": "hard_example", "values": [0.810, 0.801, 0.835]},
    ],
    "notes": [
        "The paper does not say its split, network and optimizer, and gives no variance. It "
        "trained on 6,000,000 patches of four sequences; its 65 images include 35 without public "
        "truth."
    ],
}
SMALL = VolumeBudget(
    n_steps=300, epoch_steps=50, batch_size=120, patch_size=64, width=16, precision="bf16-mixed"
)
PAPER = VolumeBudget(
    n_steps=50_000, epoch_steps=1_000, batch_size=120, candidates=5_000, patch_size=64, width=64
)

DRAWN = VolumeBudget(
    n_steps=600, epoch_steps=100, batch_size=60, patch_size=32, width=16, learning_rate=2e-3
)
DRAWN_PATIENTS = 24

SAMPLERS = ("random", "balanced", "hard_example")
CORRECTED = ("balanced_corrected", "hard_example_corrected")
OTHERS = ("balanced", "foreground", "hard_negative", "class_weights", "cascade")
DENSE = ("unet_random", "unet_balanced", "unet_foreground", "unet_dice", "unet_ce_dice")


def clean() -> Study:
    """Compare the paper's three samplers, two of them also with prior correction: three seeds."""
    return _study(
        "S3: patch sampling on brain tumors", (*SAMPLERS, *CORRECTED), SMALL, "clean", n_seeds=3
    )


def beyond() -> Study:
    """Compare hard lists, other samplers, a cascade, dense networks and the Dice loss: one seed."""
    study = _study(
        "S3: beyond the paper's ways of drawing",
        ("random", *OTHERS, *DENSE),
        SMALL,
        "beyond",
        n_seeds=1,
    )
    return replace(study, methods={**study.methods, **_hard_lists(SMALL)})


def literal() -> Study:
    """Use the paper's 50 epochs of 1,000 batches of 120 patches, its hard lists and its network."""
    study = _study("S3: as printed", SAMPLERS, PAPER, "literal", n_seeds=1)
    methods = dict(study.methods)
    methods["hard_example"] = _hard(PAPER, hard_fraction=1.0)
    for method in methods.values():
        method.set_params(**{f"{STEP}__network": "center_cnn", f"{STEP}__keep_best": "last"})
    return replace(study, methods=methods)


def drawn() -> Study:
    """Run the methods of `clean` on simulated brains: enough patients to detect a difference."""
    folder = write_brains(Path("runs/drawn_brains"), DRAWN_PATIENTS, side=64, depth=24, seed=1)
    loaded = read_volumes(folder, VolumeOptions(labels="brats2013", groups=r"patient-\d+"))
    loaded = replace(
        loaded, notes=("These brains are drawn: nothing here says anything about medicine.",)
    )
    protocol = VolumeProtocol(methods=(*SAMPLERS, *CORRECTED), n_seeds=3, n_folds=6)
    facts = {"command": f"{COMMAND} --protocol drawn"}
    return plan_volume_study(loaded, protocol, DRAWN, name="S3 on drawn brains", facts=facts)


def _study(
    name: str, methods: tuple[str, ...], budget: VolumeBudget, protocol_name: str, *, n_seeds: int
) -> Study:
    protocol = VolumeProtocol(methods=methods, n_seeds=n_seeds, n_folds=4)
    facts = {"command": f"{COMMAND} --protocol {protocol_name}", "published": [PUBLISHED]}
    return plan_volume_study(_loaded(), protocol, budget, name=name, facts=facts)


def _loaded() -> LoadedVolumes:
    return read_volumes(VOLUMES, VolumeOptions(labels="brats2013", modalities=("FLAIR", "T1c")))


def _hard_lists(budget: VolumeBudget) -> dict[str, Pipeline]:
    """Vary the share of hard examples, and the probability below which an example is hard."""
    swept = [(0.5, 0.0), (0.5, 0.75), (0.5, 0.99), (1.0, 0.75)]
    n = budget.candidates
    return {
        f"hard_{fraction:g}_below_{threshold:g}": _hard(
            budget, hard_fraction=fraction, threshold=threshold, candidates=n
        )
        for fraction, threshold in swept
    }


def _hard(budget: VolumeBudget, **settings: Any) -> Pipeline:
    return Pipeline([(STEP, make_segmenter(budget, patch_sampler=HardExamplePatches(**settings)))])


PROTOCOLS: Mapping[str, Callable[[], Study]] = {
    "clean": clean,
    "beyond": beyond,
    "drawn": drawn,
    "literal": literal,
}
