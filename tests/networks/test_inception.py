import pytest
import torch

from equipoise.exceptions import SettingError
from equipoise.networks.inception import TAPS, GlobalMean, ParallelPaths, fid_inception


def test_size_of_the_network() -> None:
    with torch.device("meta"):
        network = fid_inception()
    # Inception v3 without the auxiliary and the last layer: 23,834,568 less 1000 * (2048 + 1)
    assert sum(p.numel() for p in network.parameters()) == 23_834_568 - 1000 * 2049


@pytest.mark.parametrize("dimension", TAPS)
def test_each_tap_has_its_dimension_and_map(dimension: int) -> None:
    sides = {64: 73, 192: 35, 768: 17, 2048: 8}  # Szegedy et al. 2016, Table 1
    with torch.device("meta"):
        network = fid_inception(dimension).eval()
        assert network(torch.empty(2, 3, 299, 299)).shape == (2, dimension)
        assert network[:-1](torch.empty(2, 3, 299, 299)).shape == (
            2,
            dimension,
            sides[dimension],
            sides[dimension],
        )


def test_names_are_those_of_the_released_file() -> None:
    with torch.device("meta"):
        names = [
            name
            for name in fid_inception().state_dict()
            if not name.endswith("num_batches_tracked")
        ]
    assert (
        len(names) == 94 * 5
    )  # convolutions, each with the weight, shift, mean and variance of its norm
    assert {name.split(".")[0] for name in names} == {
        *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"),
        *(
            f"Mixed_{block}"
            for block in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
        ),
    }
    for name in (
        "Mixed_5b.branch5x5_2.conv.weight",
        "Mixed_7c.branch3x3dbl_3b.bn.running_var",
    ):
        assert name in names


def test_the_two_differences_from_torchvision() -> None:
    network = fid_inception()
    for block in ("5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b"):
        pool = network.get_submodule(f"Mixed_{block}.pool")
        assert isinstance(pool, torch.nn.AvgPool2d)
        assert not pool.count_include_pad
    last = network.get_submodule("Mixed_7c.pool")
    assert isinstance(last, torch.nn.MaxPool2d)
    ones = torch.ones(1, 1, 4, 4)
    torch.testing.assert_close(network.get_submodule("Mixed_5b.pool")(ones), ones)
    assert last(ones).shape == ones.shape
    assert isinstance(network[-1], GlobalMean)


def test_shared_beginnings_run_once_and_order_is_that_of_the_paths() -> None:
    class Counted(torch.nn.Module):
        calls = 0

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return images + 1

    first, double, triple = Counted(), torch.nn.Identity(), torch.nn.Hardtanh(0, 0.5)
    mixed = ParallelPaths(
        {"first": first, "a": double, "b": triple}, (("first", "b"), ("a",), ("first", "a"))
    )
    found = mixed(torch.zeros(1, 1, 1, 1))
    assert found.flatten().tolist() == [0.5, 0.0, 1.0]
    assert first.calls == 1


def test_other_dimensions_are_refused() -> None:
    with pytest.raises(SettingError, match="2048"):
        fid_inception(1000)
