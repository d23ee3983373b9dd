"""Parts alone, in a training loop of your own: a loss, balanced batches, a metric, a threshold."""

import numpy as np
import torch
from torch import nn

import equipoise as eq


def main() -> None:
    # 1. Images split by patient.
    cells = eq.data.cells((240, 40), size=32, seed=0)
    (split,) = eq.data.hold_out(cells, n_splits=1)
    train, test = cells.subset(split.train), cells.subset(split.test)

    # 2. A loss is a module of torch, built from class counts: LDAM, Focal, ... or one by name.
    counts = np.bincount(train.labels)
    loss = eq.losses.LOSSES["balanced_softmax"](counts)

    # 3. Your network and your loop.
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 2),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    images = torch.from_numpy(train.images).float() / 127.5 - 1
    labels = torch.from_numpy(train.labels)
    rng = np.random.default_rng(0)
    for step in range(150):
        loss.advance(step / 150)  # losses with a schedule, such as deferred LDAM, need it
        rows = rng.integers(0, len(images), size=32)
        value = loss(network(images[rows]), labels[rows])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    # 4. A loss knows how its logits become probabilities; metrics take labels and scores.
    with torch.inference_mode():
        logits = network(torch.from_numpy(test.images).float() / 127.5 - 1)
        scores = loss.probabilities(logits).numpy().astype(np.float64)
    scores /= scores.sum(axis=1, keepdims=True)
    for name in ("auroc", "balanced_accuracy"):
        metric = eq.metrics.METRICS[name]
        value = metric.function(y_true=test.labels, y_score=scores, positive=1)
        print(f"{metric.label} {value:.3f}")


if __name__ == "__main__":
    main()
