"""Eight sets in the regimes of those who train models on them: frozen features, and finetuning.

    export EQUIPOISE_WEIGHTS=../shared/weights
    equipoise run studies/regimes.py --protocol frozen_covid_xray --out runs/frozen_covid_xray
    equipoise run studies/regimes.py --protocol finetune_covid_xray --out runs/finetune_covid_xray

and so on for every name in `TASKS`. The network is MobileNetV2 with its official ImageNet weights
(the only ones of the product that can be had without its hosts), images have 128 px a side or more.
Patients, slides or lesions are held out; sets that are nearly balanced are thinned in training, and
validation and test stay as they are. `frozen` has every method that makes sense on features, in
thirty hold-outs, or ten of the sets with more than 3,000 images: a head has no luck of its own, so
that splits say more than seeds. `finetune` has three arms in two hold-outs: a cell takes minutes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from equipoise.data.dataset import ImageDataset
from equipoise.data.images.options import ReadOptions
from equipoise.data.imbalance import thin
from equipoise.data.reading import read
from equipoise.experiments.image_plan import plan_study, thinned
from equipoise.experiments.protocol import FINETUNE, FROZEN, Budget, Protocol
from equipoise.experiments.study import Study

DATA = Path("../shared/data")
NETWORK, WEIGHTS = "mobilenet_v2", "official"
COMMAND = "equipoise run studies/regimes.py --protocol"
FROZEN_METHODS = (
    "none",
    "class_weights",
    "square_root_batches",
    "undersampling",
    "replay",
    "focal",
    "class_balanced",
    "ldam",
    "ldam_drw",
    "balanced_softmax",
    "posthoc_logit_adjustment",
    "two_sigmoid",
    "crt",
    "tau_norm",
    "smote_features",
    "borderline_smote_features",
    "adasyn_features",
)
FINETUNE_METHODS = ("none", "class_weights", "ldam_drw")
N_STEPS = 150  # of a finetuned network, in batches of 32: 4,800 images
FINETUNE_SIDE = 128  # px


@dataclass(frozen=True, kw_only=True)
class Task:
    """A set, its classes, and what is thinned in training.

    Attributes:
        folder: Folder of the set.
        rare: The positive class.
        augmentation: One of `equipoise.training.augmentation.AUGMENTATIONS`.
        size: Side of the images in px for frozen features.
        fit: How images become square: a black border would tell the classes of covid_xray apart.
        label_column: Column of the class in its table.
        kept: Training images that remain of a class, in every split.
        long_tail: Ratio of the largest to the smallest class in training; 1 leaves them.
        without: Class that is too small for any split.
        n_splits: Hold-outs of frozen features.
        notes: What a reader has to know.
    """

    folder: str
    rare: str
    augmentation: str
    size: int = 128
    fit: str = "crop"
    label_column: str | None = None
    kept: Mapping[str, int] = field(default_factory=dict)
    long_tail: float = 1.0
    without: str | None = None
    n_splits: int = 30
    notes: tuple[str, ...] = ()


TASKS = {
    "covid_xray": Task(
        folder="covid_xray",
        rare="Covid-19",
        augmentation="film",
        size=160,
        notes=(
            "Class and source are one here: every Covid-19 film comes from web collections, every "
            "other from one hospital. The border of the films alone has AUROC 0.77 at 48 px.",
        ),
    ),
    "kermany_cxr": Task(
        folder="kermany_cxr",
        rare="PNEUMONIA",
        augmentation="film",
        kept={"PNEUMONIA": 200},
        n_splits=10,
        notes=("Pneumonia is thinned to 200 training films, about a quarter of the normal ones.",),
    ),
    "skin_two": Task(
        folder="skin_mal_benign",
        rare="malignant",
        augmentation="skin",
        kept={"malignant": 110},
        n_splits=10,
        notes=("Malignant lesions are thinned to 110 training images, about 1 in 10.",),
    ),
    "skin_seven": Task(
        folder="skin_mal_benign",
        rare="df",
        augmentation="skin",
        label_column="dx",
        n_splits=10,
    ),
    "herlev_two": Task(
        folder="herlev_papsmear",
        rare="abnormal",
        augmentation="cell",
        fit="pad",
        label_column="binary",
        kept={"abnormal": 19},
        notes=("Abnormal cells are thinned to 19 training images, paper S0's 1 in 5.87.",),
    ),
    "herlev_seven": Task(
        folder="herlev_papsmear", rare="carcinoma_in_situ", augmentation="cell", fit="pad"
    ),
    "knee_oa_kl": Task(folder="knee_oa_kl", rare="kl4", augmentation="film"),
    "brain_mri_cheng3": Task(
        folder="brain_mri_cheng3",
        rare="meningioma",
        augmentation="film",
        notes=("Runs of slices are held out, not patients, who are unknown.",),
    ),
    "pbc_blood8": Task(
        folder="pbc_blood8",
        rare="lymphocyte",
        augmentation="stain",
        long_tail=50.0,
        notes=(
            "Training images are thinned to a long tail, the largest class 50 times the smallest.",
            "Donors are unknown: cells of one donor are trained and tested.",
        ),
    ),
    "bccd_wbc5": Task(
        folder="bccd_wbc5",
        rare="monocyte",
        augmentation="stain",
        without="basophil",
        notes=("Basophils, of which there are 3, are left out.",),
    ),
}


def frozen(name: str) -> Study:
    """All methods that make sense on frozen features."""
    return plan(name, FROZEN, FROZEN_METHODS, n_splits=TASKS[name].n_splits)


def finetune(name: str) -> Study:
    """Three arms, two hold-outs, 128 px."""
    return plan(name, FINETUNE, FINETUNE_METHODS, n_splits=2)


def plan(
    name: str, regime: str, methods: tuple[str, ...], *, n_splits: int, size: int | None = None
) -> Study:
    """Read a set, at `size` px instead of the usual side, and plan its study in a regime."""
    task = TASKS[name]
    folder = DATA / task.folder
    usual = FINETUNE_SIDE if regime == FINETUNE else task.size
    options = ReadOptions(
        size=size or usual,
        fit=task.fit,
        table=folder / "manifest.csv",
        label_column=task.label_column,
    )
    loaded = read(folder, options)
    loaded = replace(
        loaded,
        dataset=without_class(loaded.dataset, task.without),
        notes=(*task.notes, *loaded.notes),
    )
    study = plan_study(
        loaded,
        Protocol(
            methods=methods,
            n_splits=n_splits,
            n_seeds=1,
            test=0.25,
            validation=0.15,
            rare_class=task.rare,
            duplicates="merge",
            use_source_split=False,
        ),
        Budget(
            regime=regime,
            network=NETWORK,
            pretrained=WEIGHTS,
            n_steps=N_STEPS,
            augmentation=task.augmentation,
        ),
        name=f"{regime}_{name}",
        facts={"command": f"{COMMAND} {regime}_{name}"},
    )
    if task.kept:
        study = thinned(study, task.kept)
    if task.long_tail > 1:
        study = long_tailed(study, task.long_tail)
    return study


def without_class(dataset: ImageDataset, name: str | None) -> ImageDataset:
    """Leave a class out; the others keep their order."""
    if name is None:
        return dataset
    left_out = dataset.class_names.index(name)
    others = dataset.subset(dataset.labels != left_out)
    return replace(
        others,
        labels=others.labels - (others.labels > left_out),
        class_names=tuple(other for other in dataset.class_names if other != name),
    )


def long_tailed(study: Study, ratio: float) -> Study:
    """Thin the training images of every split to sizes that fall evenly on a log scale."""
    splits = []
    for i, split in enumerate(study.splits):
        train = thin(study.images, np.asarray(split.train), kind="exp", mu=1 / ratio, seed=i)
        splits.append(replace(split, train=train))
    return replace(study, splits=splits)


PROTOCOLS: dict[str, Callable[[], Study]] = {
    **{f"frozen_{name}": partial(frozen, name) for name in TASKS},
    **{f"finetune_{name}": partial(finetune, name) for name in TASKS},
}
