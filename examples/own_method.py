"""A method of your own in a study: same patients, same splits, same steps as all others."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from imblearn.pipeline import Pipeline

import equipoise as eq

FOLDER = Path("runs/own_method")


class ShiftOversampler(eq.resampling.Oversampler):
    """Fill classes up with images that are shifted by up to two pixels."""

    def _fit(self, X: Any, codes: Any, validation: Any, workspace: Any) -> None:
        self.images_ = {code: X[codes == code] for code in np.unique(codes)}

    def _generate(self, codes: Any, seed: int) -> Any:
        rng = np.random.default_rng(seed)
        images = []
        for code in codes:
            image = rng.choice(self.images_[code])
            images.append(np.roll(image, rng.integers(-2, 3, size=2), axis=(1, 2)))
        return np.stack(images)

    def _state(self) -> Any:
        tensors = {str(code): torch.from_numpy(X) for code, X in self.images_.items()}
        return tensors, {}  # what is stored, as tensors and as JSON

    def _set_state(self, tensors: Any, state: Any) -> None:
        self.images_ = {int(code): tensor.numpy() for code, tensor in tensors.items()}


def main() -> None:
    # 1. A study of methods by name, and the own method beside them: a resampler and the classifier.
    films = eq.data.chest_films((240, 40), size=32, seed=0)
    names = ("none", "oversampling")
    study = eq.plan(films, methods=names, n_splits=2, n_seeds=1, n_steps=60)
    classifier = study.methods["none"].steps[-1][1]
    shifts = Pipeline([("balance", ShiftOversampler()), ("classify", classifier)])
    study = replace(study, methods={**study.methods, "shifts": shifts})

    # 2. It is trained, killed, resumed, compared and reported as all others.
    run = eq.run(study, FOLDER, executor=eq.InProcess())
    for judgment in eq.summarize_run(run).judgments:
        print(judgment.method, judgment.word)


if __name__ == "__main__":
    main()
