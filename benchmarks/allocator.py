"""Training and prediction with freed memory kept against the C library's own way, in one run each.

Both sides are processes of their own, because the allocator is changed for a whole process.
"""

import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.timing import Pair

ROUNDS = 5
NOTE = "small_cnn, 64 px, batch 32, one thread; reference: glibc as it comes"

# Prints steps and predicted images a second.
WORK = """
import sys, time
import numpy as np, torch
from equipoise.estimators.classifier import ImageClassifier
from equipoise.training.allocator import keep_freed_memory
torch.set_num_threads(1)
if sys.argv[1] == "kept":
    keep_freed_memory()
rng = np.random.default_rng(0)
images = rng.integers(0, 256, size=(600, 3, 64, 64), dtype=np.uint8)
labels = np.arange(600) % 2
classifier = ImageClassifier(network="small_cnn", n_steps=60, batch_size=32, device="cpu")
classifier.fit(images[:64], labels[:64])
start = time.perf_counter()
classifier.fit(images, labels)
trained = time.perf_counter()
classifier.predict_proba(images)
predicted = time.perf_counter()
print(60 / (trained - start), 600 / (predicted - trained))
"""


def measure() -> Iterator[Pair]:
    rounds = [(_rates("kept"), _rates("given back")) for _ in range(ROUNDS)]
    for i, (name, unit) in enumerate((("training", "steps/s"), ("prediction", "images/s"))):
        yield Pair(
            name=f"freed memory kept, {name}",
            unit=unit,
            ours=statistics.median(kept[i] for kept, _ in rounds),
            reference=statistics.median(given[i] for _, given in rounds),
            ratio=statistics.median(kept[i] / given[i] for kept, given in rounds),
            note=NOTE,
        )


def _rates(mode: str) -> tuple[float, float]:
    command = [sys.executable, "-c", WORK, mode]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    trained, predicted = map(float, printed.split())
    return trained, predicted
