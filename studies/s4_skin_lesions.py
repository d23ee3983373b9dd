"""Paper S4 on dermatoscopic images: one DCGAN per class at 32 px, and how many images to add.

    equipoise run studies/s4_skin_lesions.py --out runs/s4_skin_lesions
    equipoise run studies/s4_skin_lesions.py --protocol literal --out runs/s4_skin_lesions_literal
    equipoise run studies/s4_skin_lesions.py --protocol full --out runs/s4_skin_lesions_full

The paper's set cannot be had; this one has its counts, drawn from HAM10000. `clean` holds out
lesions, five times, and adds 0.05 to 2 synthetic images for each real one, and the paper's 120 and
480 of each class (and 440, which its methods section implies). `literal` deals out single
photographs, as the paper does: a lesion may be in training and test. `full` has the paper's
size, in three splits: its networks at 32 px, 50 epochs of the classifier, 200 of the DCGANs, its
two doses, and beside them as many copies of real images.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from imblearn.pipeline import Pipeline

from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.data.reading import read
from equipoise.experiments.image_plan import plan_study
from equipoise.experiments.methods.catalogue import METHODS
from equipoise.experiments.methods.doses import dosed
from equipoise.experiments.methods.method import Method
from equipoise.experiments.protocol import STRONG_CONTROLS, Budget, Protocol
from equipoise.experiments.study import Study

IMAGES = Path("../shared/data/skin_mal_benign")
RARE = "malignant"
SHARES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)  # synthetic images for each real one, methods 8.5
PER_CLASS = (120, 440, 480)
BUDGET = Budget(
    n_steps=500, gan_steps=600, precision="32-true", gan_precision="bf16-mixed", augmentation="cell"
)
EPOCHS, BATCH = 50, 32  # of the classifier
N_TRAIN = 2110  # images in a training part, about; the paper has 2,110
FULL_BUDGET = replace(BUDGET, n_steps=EPOCHS * -(-N_TRAIN // BATCH), batch_size=BATCH)
FULL_GAN = "s4_dcgan"  # the paper's layout, batch and rates
COMMAND = "equipoise run studies/s4_skin_lesions.py"

# the paper's confusion matrices: malignant called malignant, benign; benign called malignant, benign
COUNTS = {
    "plain": ("real images", 288, 12, 122, 238),
    "+120": ("+120 of each class", 283, 17, 98, 262),
    "+480": ("+480 of each class", 258, 42, 66, 294),
}
COLUMNS = [
    ["precision, malignant", "rare_precision"],
    ["sensitivity, malignant", "rare_recall"],
    ["specificity", "rare_specificity"],
    ["accuracy", "accuracy"],
    ["balanced accuracy", "balanced_accuracy"],
]


def published(gan: str) -> dict[str, Any]:
    """Give the paper's table as rows of arms whose synthetic images are those of `gan`."""
    rows = []
    for name, (arm, tp, fn, fp, tn) in COUNTS.items():
        sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
        accuracy = (tp + tn) / (tp + fn + fp + tn)
        balanced = (sensitivity + specificity) / 2
        values = (tp / (tp + fp), sensitivity, specificity, accuracy, balanced)
        method = gan + name if name.startswith("+") else name
        rows.append({"arm": arm, "method": method, "values": [round(v, 4) for v in values]})
    return {
        "caption": "Paper S4, from its confusion matrices (300 malignant, 360 benign, one run)",
        "columns": COLUMNS,
        "rows": rows,
        "notes": [
            "The paper prints sensitivity and specificity with benign as the positive class; here "
            "malignant is positive. Its synthetic images cost ten points of cancer sensitivity.",
        ],
    }


def clean() -> Study:
    """Whole lesions held out, five splits, every dose."""
    study = _plan(
        read(IMAGES, _options()), ("none", *STRONG_CONTROLS), COMMAND, n_splits=5, n_seeds=1
    )
    doses = [dosed(METHODS["dcgan"], share=r) for r in SHARES]
    doses += [dosed(METHODS["dcgan"], per_class=n) for n in PER_CLASS]
    return replace(
        study,
        methods={
            "plain": _plain(BUDGET),
            **study.methods,
            **{m.name: m.build(BUDGET) for m in doses},
        },
    )


def full() -> Study:
    """Whole lesions held out, three splits, the paper's networks, epochs and doses."""
    study = _plan(
        read(IMAGES, _options()),
        ("none",),
        f"{COMMAND} --protocol full",
        budget=FULL_BUDGET,
        gan=FULL_GAN,
        n_splits=3,
        n_seeds=1,
    )
    doses = [
        dosed(METHODS[method], per_class=n) for method in (FULL_GAN, "replay") for n in (120, 480)
    ]
    return replace(
        study,
        name="s4_skin_lesions_full",
        methods={
            "plain": _plain(FULL_BUDGET),
            **study.methods,
            **{m.name: m.build(FULL_BUDGET) for m in doses},
        },
    )


def literal() -> Study:
    """Single photographs dealt out at random, five trainings on one split, no augmentation."""
    loaded = read(IMAGES, _options())
    by_photograph = replace(loaded.dataset, groups=np.arange(len(loaded.dataset)))
    note = "Literal protocol: photographs of one lesion lie in training and test."
    loaded = replace(loaded, dataset=by_photograph, notes=(note, *loaded.notes))
    study = _plan(loaded, ("none",), f"{COMMAND} --protocol literal", n_splits=1, n_seeds=5)
    doses = {f"dcgan+{n}": dosed(METHODS["dcgan"], per_class=n).build(BUDGET) for n in (120, 480)}
    for method in doses.values():
        method.steps[-1][1].set_params(augmentation="none")
    methods = {"plain": _plain(BUDGET), **doses}
    return replace(study, name="s4_skin_lesions_literal", methods=methods, baseline="plain")


def _options() -> ReadOptions:
    return ReadOptions(size=32, fit="crop", table=IMAGES / "manifest.csv")


def _plain(budget: Budget) -> Pipeline:
    return Method(name="plain", summary="", classifier=lambda _: {"augmentation": "none"}).build(
        budget
    )


def _plan(
    loaded: Loaded,
    methods: tuple[str, ...],
    command: str,
    *,
    budget: Budget = BUDGET,
    gan: str = "dcgan",
    **repeats: Any,
) -> Study:
    notes = (
        "The set is nearly balanced (1,497 to 1,800): there is little for rebalancing to gain.",
    )
    return plan_study(
        replace(loaded, notes=(*notes, *loaded.notes)),
        Protocol(
            methods=methods,
            test=0.20,
            validation=0.16,
            rare_class=RARE,
            duplicates="merge",
            **repeats,
        ),
        budget,
        name="s4_skin_lesions",
        facts={"command": command, "published": [published(gan)]},
    )


PROTOCOLS = {"clean": clean, "literal": literal, "full": full}
