"""Synthetic images for release: do they show who was in the training set?"""

from pathlib import Path

import numpy as np

import equipoise as eq

FOLDER = Path("oversampler")


def main() -> None:
    # 1. Train and held-out images of other patients, from the same source.
    films = eq.data.chest_films((60, 40), size=32, seed=0)
    (split,) = eq.data.hold_out(films, n_splits=1)
    train, held_out = films.subset(split.train), films.subset(split.test)

    # 2. A generator sees the training images only. This VAE is trained far too briefly.
    oversampler = eq.resampling.VAEOversampler(
        trunk="small_cnn", n_steps=10, batch_size=8, base_channels=4, latent_channels=4
    )
    images, labels = oversampler.fit_resample(train.images, train.labels)
    synthetic, classes = images[len(train.images) :], labels[len(train.images) :]
    print(len(synthetic), "synthetic images of", train.class_names[classes[0]])

    # 3. The audit. `eq.audit.examine` adds the quality of the images; both have to pass.
    extractor = eq.features.make_extractor("pixels", device="cpu")
    audit = eq.audit.audit(train, held_out, synthetic, classes, extractor)
    print("privacy:", audit.privacy.status, *audit.privacy.reasons)

    # 4. What an audit must not miss: copies of training images.
    copies = eq.audit.audit(train, held_out, train.images[:20], train.labels[:20], extractor)
    print("copies:", copies.privacy.status, *copies.privacy.reasons)

    # 5. A stored generator contains what it has learned of the patients.
    oversampler.save(FOLDER)
    again = eq.resampling.load_oversampler(FOLDER)
    print("the same images:", np.array_equal(again.generate([1, 1]), oversampler.generate([1, 1])))


if __name__ == "__main__":
    main()
