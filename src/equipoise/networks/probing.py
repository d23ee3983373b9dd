"""Learn how a network is built without computing anything: its parameters are on no device."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from equipoise.exceptions import EquipoiseError


def can_run(build: Callable[[], nn.Module], side: int) -> bool:
    """Return whether what `build` returns works on color images of a side in px.

    Errors of a build other than those of this package count as "no", because a network says in its
    own way that images are too small for it.

    Example:
        >>> can_run(lambda: nn.Conv2d(3, 1, 9), 8), can_run(lambda: nn.Conv2d(3, 1, 9), 9)
        (False, True)
    """
    try:
        with unmaterialized(), torch.no_grad():
            build().eval()(torch.empty(2, 3, side, side))
    except EquipoiseError:
        raise
    except Exception:  # noqa: BLE001 - each network has its own
        return False
    return True


def layer_that_returns(network: nn.Module, output: Callable[[], Tensor]) -> str | None:
    """Return the name of the last layer whose output is what a function returns; None for none.

    Args:
        network: The network to which the layers belong.
        output: Passes images through the network and returns a map of it.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten())
        >>> layer_that_returns(network, lambda: network[:2](torch.rand(1, 1, 8, 8)))
        '1'
    """
    returned: list[tuple[str, Tensor]] = []
    handles = []
    for name, layer in network.named_modules():
        if not name:
            continue

        def note(_layer: nn.Module, _inputs: object, tensor: object, name: str = name) -> None:
            if isinstance(tensor, Tensor):
                returned.append((name, tensor))

        handles.append(layer.register_forward_hook(note))
    try:
        last = output()
    finally:
        for handle in handles:
            handle.remove()
    names = [name for name, tensor in returned if tensor is last]
    return names[-1] if names else None


@contextmanager
def unmaterialized() -> Iterator[None]:
    """Create tensors and layers without values inside the context; no random number is drawn.

    Warnings about the initialization of values that do not exist are not shown.
    """
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
