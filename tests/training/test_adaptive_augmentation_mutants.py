"""What the mutation run found untested in `training.adaptive_augmentation`."""

import torch

from equipoise.training.adaptive_augmentation import AdaptiveAugmentation


def test_a_continued_fit_goes_on_from_the_probability_that_it_had() -> None:
    before, after = (AdaptiveAugmentation("brightness", torch.device("cpu")) for _ in range(2))
    for _ in range(6):
        before.observe(torch.ones(1000))  # a critic that is sure of every real image
    assert before.probability > 0
    after.load_state_dict(before.state_dict())
    assert torch.equal(after.probability, before.probability)
    for one in (before, after):
        one.observe(torch.ones(1000))
        one.observe(torch.ones(1000))
    assert torch.equal(after.probability, before.probability)
