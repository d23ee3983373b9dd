"""Label codes are appended; what was there stays."""

import pytest
import torch

from equipoise.networks.conditioning import EmbeddedPlane, EmbeddedVector, Join, OneHot, Unlabeled

LABELS = torch.tensor([2, 0])


@pytest.mark.parametrize(
    ("join", "shape"),
    [
        (Unlabeled(), (2, 4)),
        (OneHot(3), (2, 4)),
        (EmbeddedVector(3), (2, 4)),
        (Unlabeled(), (2, 4, 8, 8)),
        (OneHot(3), (2, 4, 8, 8)),
        (EmbeddedPlane(3, 8), (2, 4, 8, 8)),
    ],
)
def test_extra_channels_behind_the_features(join: Join, shape: tuple[int, ...]) -> None:
    features = torch.randn(shape)
    joined = join(features, LABELS)
    assert joined.shape == (2, 4 + join.extra, *shape[2:])
    assert torch.equal(joined[:, :4], features)


def test_one_hot_marks_the_label_everywhere() -> None:
    planes = OneHot(3)(torch.zeros(2, 1, 4, 4), LABELS)[:, 1:]
    assert torch.equal(planes.amin(dim=(2, 3)), torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
    assert torch.equal(planes.amin(dim=(2, 3)), planes.amax(dim=(2, 3)))
