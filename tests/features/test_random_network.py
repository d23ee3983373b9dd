import numpy as np
import torch

from equipoise.features.random_network import RandomNetwork, random_network

DIGEST = "1fd8463e9455d4b0e4c0baec6a434e58fe0c6ad7f608c739385a25fe2fda7967"


def test_weights_are_fixed_and_leave_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    assert random_network(device="cpu").digest == DIGEST
    assert torch.equal(torch.random.get_rng_state(), before)


def test_weights_keep_the_scale_of_the_maps() -> None:
    deviations = [float(weight.std()) for weight in RandomNetwork(0).buffers()]
    expected = [np.sqrt(2 / 1.04 / (inputs * 16)) for inputs in (3, 32, 64, 128)]
    np.testing.assert_allclose(deviations, expected, rtol=0.05)
