"""What the defaults of the regime `finetune` rest on: validation images of two sets.

    export EQUIPOISE_WEIGHTS=../shared/weights
    python -m studies.finetune_settings --json docs/results/finetune_settings.json

Each row trains MobileNetV2 from its official weights on 45 % of a set at 128 px (whole patients or
slides) and scores 30 % as validation; the last quarter, the test images, is never scored. A row
changes one thing of the defaults. 120 steps are fewer than training needs, so that a row takes two
minutes of one core: what learns faster shows. Rows that the file contains are not trained again.
"""

import argparse
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch

from equipoise.atomic import JsonObject, read_json, write_json
from equipoise.data.dataset import ImageDataset
from equipoise.data.images.options import ReadOptions
from equipoise.data.reading import read
from equipoise.data.splits import hold_out
from equipoise.estimators.classifier import ImageClassifier
from equipoise.estimators.scoring import logits_of, validation_scores
from equipoise.experiments.methods.regimes import FINETUNED
from equipoise.experiments.running.environment import machine, versions
from studies.regimes import DATA, NETWORK, TASKS, WEIGHTS

SETS = ("covid_xray", "herlev_two")
SIZE, N_STEPS = 128, 120
CHANGES: Mapping[str, Mapping[str, object]] = {
    "defaults": {},
    "frozen batch norm": {"batch_norm": "frozen"},
    "one rate for all layers": {"layer_decay": 1.0},
    "no warm-up": {"head_warmup": 0.0},
    "neither": {"layer_decay": 1.0, "head_warmup": 0.0},
    "three times the rate": {"learning_rate": 3e-3},
    "a third of the rate": {"learning_rate": 3e-4},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    path = parser.parse_args().json
    rows: list[JsonObject] = read_json(path)["rows"] if path.is_file() else []
    done = {(row["set"], row["change"]) for row in rows}
    torch.set_num_threads(1)
    for change, settings in CHANGES.items():
        for name in SETS:
            if (name, change) in done:
                continue
            rows.append({"set": name, "change": change, **validated(name, settings)})
            print(rows[-1], flush=True)
            facts = {"steps": N_STEPS, "defaults": FINETUNED}
            write_json(path, {**facts, "rows": rows, "machine": machine(), "versions": versions()})


@cache
def read_set(name: str) -> ImageDataset:
    """Read a set of `studies.regimes` at the size of these trials, unthinned."""
    task = TASKS[name]
    folder = DATA / task.folder
    table = folder / "manifest.csv"
    options = ReadOptions(size=SIZE, fit=task.fit, table=table, label_column=task.label_column)
    return read(folder, options).dataset


def validated(name: str, settings: Mapping[str, object]) -> JsonObject:
    """Train and score the validation images with the last weights, averaged."""
    dataset = read_set(name)
    split = hold_out(dataset, n_splits=1, test=0.25, validation=0.3)[0]
    train, validation = dataset.subset(split.train), dataset.subset(split.validation)
    parameters = {
        "network": NETWORK,
        "pretrained": WEIGHTS,
        "n_steps": N_STEPS,
        "augmentation": TASKS[name].augmentation,
        "keep_best": "averaged",
        "evaluate_every": N_STEPS,
        "device": "cpu",
        **FINETUNED,
        **settings,
    }
    start = time.process_time()
    fitted = ImageClassifier().set_params(**parameters)
    fitted.fit(train.images, train.labels)
    seconds = time.process_time() - start
    logits = logits_of(fitted.network_, validation.images, fitted.span_)
    scores = validation_scores(logits, validation.labels, fitted.loss_)
    rounded = {metric: round(value, 4) for metric, value in scores.items()}
    return {**rounded, "images": len(validation), "core seconds": round(seconds, 1)}


if __name__ == "__main__":
    main()
