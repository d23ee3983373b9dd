"""Do the imbalance methods work here in the regime that they were published for?

    PYTHONPATH=. equipoise run studies/as_published.py --out runs/as_published

LDAM with cosine head and deferred weights, mixup, Remix, focal, balanced softmax, cRT and
tau-normalization were published for residual networks with batch norm, trained from random weights
for about 200 passes over a long-tailed training set, and tested on a balanced one by accuracy at
the largest score. So here: ResNet-14 (`studies.small_resnet`), SGD with momentum 0.9, weight decay
2e-4, the learning rate 0.1 of batches of 128 scaled to 32, divided by 10 twice, the last weights;
2,000 steps, about 100 passes. Two sigmoids are paper S2's head. The set is drawn, in four grades of
dysplasia that overlap; training images fall from 480 to 10, validation and test have equal classes.
Nothing of it is tuned.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from equipoise.data.images.options import Loaded
from equipoise.data.imbalance import thin
from equipoise.data.phantoms.datasets import cells
from equipoise.experiments.image_plan import plan_study
from equipoise.experiments.protocol import Budget, Protocol
from equipoise.experiments.study import Study

METHODS = (
    "none",
    "focal",
    "ldam_drw",
    "mixup",
    "remix",
    "two_sigmoid",
    "balanced_softmax",
    "crt",
    "tau_norm",
)
N_DRAWN = 800  # of each of four classes
RATIO = 50.0  # largest to smallest class in training
BUDGET = Budget(
    network="studies.small_resnet:SMALL_RESNET",
    n_steps=2000,
    batch_size=32,
    learning_rate=0.1 * 32 / 128,
    augmentation="cell",
)
AS_PUBLISHED: dict[str, Any] = {
    "optimizer": "sgd",
    "weight_decay": 2e-4,
    "schedule": "step",
    "keep_best": "last",
    "evaluate_every": 500,
}


def plan() -> Study:
    """Plan the study: three hold-outs, each thinned to a long tail in training."""
    dataset = cells((N_DRAWN,) * 4, size=28, seed=13)
    note = "These images are drawn, not taken: nothing here says anything about medicine."
    study = plan_study(
        Loaded(dataset=dataset, notes=(note,)),
        Protocol(
            methods=METHODS, n_splits=3, n_seeds=1, rare_class=dataset.class_names[-1], test=0.25
        ),
        BUDGET,
        name="as_published",
        facts={"command": "PYTHONPATH=. equipoise run studies/as_published.py"},
    )
    for method in study.methods.values():
        method.steps[-1][1].set_params(**AS_PUBLISHED)
    splits = []
    for i, split in enumerate(study.splits):
        rows = np.asarray(split.train)
        train = thin(study.images, rows, kind="exp", mu=1 / RATIO, seed=i)
        splits.append(replace(split, train=train))
    return replace(study, splits=splits)


study = plan()
