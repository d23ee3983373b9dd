"""Methods that leave the images alone and change what the classifier minimizes, or what it is shown."""

from equipoise.experiments.methods.method import Method


def _loss(name: str, summary: str) -> Method:
    return Method(name=name, summary=summary, classifier=lambda _budget: {"loss": name})


def _mixing(name: str, summary: str) -> Method:
    return Method(name=name, summary=summary, classifier=lambda _budget: {"mixing": name})


def _batches(name: str, summary: str) -> Method:
    sampler = name.removesuffix("_batches")
    return Method(name=name, summary=summary, classifier=lambda _budget: {"batch_sampler": sampler})


METHODS = (
    Method(name="none", summary="The images as they are: the baseline."),
    _loss(
        "class_weights",
        "The loss counts every class alike, whatever its number of images (paper S2).",
    ),
    _loss(
        "rwwce",
        "The loss sets a price on every missed image: the largest class over its own (paper S0).",
    ),
    _loss("focal", "The loss looks away from images that are told apart already."),
    _loss("class_balanced", "The loss weighs classes by their effective number of images."),
    _loss("ldam", "Rare classes must be told apart by a wider margin, on cosine logits."),
    _loss("ldam_drw", "The same, and classes are weighed in the last fifth of the training."),
    _loss(
        "balanced_softmax", "The loss is told how frequent classes are, so that the scores are not."
    ),
    _loss(
        "posthoc_logit_adjustment",
        "Trained as the baseline; the scores are freed of class frequencies after.",
    ),
    _loss(
        "two_sigmoid",
        "Each class is a yes-or-no question of its own (paper S2's two output nodes).",
    ),
    _mixing("mixup", "Images are blended in pairs, and so are their labels."),
    _mixing("remix", "Images are blended in pairs; the label leans to the rarer class."),
    _batches("balanced_batches", "Every batch holds as many images of each class."),
    _batches("square_root_batches", "Batches hold classes by the square root of their size."),
    _batches(
        "progressive_batches", "Batches turn from natural to balanced while the training goes on."
    ),
)
