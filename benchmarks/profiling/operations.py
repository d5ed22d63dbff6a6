"""The operations of torch, counted as they are dispatched."""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from solvers.common.instrumentation import current


class Tally(TorchDispatchMode):
    """Counts tensor operations, views (which compute nothing) and reads by the host, phase by phase."""

    READS = tuple(
        f"aten::{name}" for name in ("item", "_local_scalar_dense", "is_nonzero", "equal", "nonzero", "allclose")
    )

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()
        self.views: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()

    def __torch_dispatch__(self, operation: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        found = operation(*arguments, **(keywords or {}))
        name, here = operation.name().split(".")[0], current.get().open
        if name in self.READS or _to_host(found, arguments):
            self.reads[here] += 1
        else:
            (self.views if operation.is_view else self.operations)[here] += 1
        return found


def _to_host(found: Any, arguments: Any) -> bool:
    source = arguments[0] if arguments else None
    both = isinstance(found, Tensor) and isinstance(source, Tensor)
    return both and found.device.type == "cpu" and source.device.type != "cpu"
