"""A CUDA device that is not there: tensors that say `cuda:0`, are computed on the CPU, and mind what CUDA minds.

    with SimulatedCuda() as device:
        X = torch.randn(20, 3).to(device.name)
        minimize(SOLVERS["newton"], LogisticRegression(X, y.to(device.name)))
    device.reads   # how often the host waited for a number

An operation on tensors of both devices raises, as on CUDA: a CPU tensor of no dimension may take part, and so may CPU
indices. The device runs behind the host on a clock of its own: each operation is queued and takes `seconds`, and what
the host reads, or `torch.cuda.synchronize`, waits for all of them. A copy to the host with `non_blocking=True` is NaN
until then.
"""

from __future__ import annotations

import math
from collections import Counter
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda", 0)
READS = {"item", "_local_scalar_dense", "is_nonzero", "equal", "nonzero", "allclose"}
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}  # CPU indices are fine on CUDA
TRANSFERS = {"_to_copy", "copy_", "to"}


class CudaTensor(Tensor):
    """A tensor that says it is on cuda:0. `inner` holds its numbers, on the CPU, and computes for it."""

    inner: Tensor
    simulation: SimulatedCuda

    @staticmethod
    def __new__(cls, inner: Tensor, simulation: SimulatedCuda) -> CudaTensor:
        dense = inner.layout == torch.strided
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset()} if dense else {}
        made = Tensor._make_wrapper_subclass(
            cls, inner.size(), dtype=inner.dtype, layout=inner.layout, device="cpu", dispatch_layout=not dense, **layout
        )
        made.inner, made.simulation = inner, simulation
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __deepcopy__(self, memo: dict[int, Any]) -> CudaTensor:
        return CudaTensor(self.inner.clone(), self.simulation).requires_grad_(self.requires_grad)

    @property
    def device(self) -> torch.device:
        return CUDA

    @property
    def layout(self) -> torch.layout:
        return self.inner.layout

    @property
    def is_cuda(self) -> bool:
        return True

    def __repr__(self, **_: Any) -> str:
        return f"CudaTensor({self.inner!r})"

    def cpu(self) -> Tensor:
        return self.simulation.fetch(self)

    def numpy(self, **_: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy: use Tensor.cpu() first")

    __array__ = numpy

    def tolist(self) -> Any:
        return self.simulation.fetch(self).tolist()

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        (simulation, *_) = {t.simulation for t in tree_leaves((args, kwargs)) if isinstance(t, CudaTensor)}
        return simulation.compute(operation, args, kwargs or {})


class SimulatedCuda:
    """The device, while it is open. reads: by operation; launches: operations queued; seconds: each takes on the
    device, during which the host goes on."""

    name = "cuda:0"

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.reads: Counter[str] = Counter()
        self.launches = 0
        self.host = 100.0  # seconds
        self.idle_at = 0.0
        self.synchronised = 0
        self.pending: list[tuple[Tensor, Tensor]] = []  # copies to the host that nobody has waited for; their numbers
        self.calls = 0  # functions of the host that are at work on tensors of the device

    def __enter__(self) -> SimulatedCuda:
        self.open = ExitStack()
        for name, stand_in in (
            ("is_available", lambda: True),
            ("device_count", lambda: 1),
            ("is_initialized", lambda: True),
            ("synchronize", self.synchronize),
            ("get_device_name", lambda device=None: "simulated GPU"),
            ("mem_get_info", lambda device=None: (8 << 30, 16 << 30)),
        ):
            self.open.enter_context(patch.object(torch.cuda, name, stand_in))
        # Wrapped tensors cannot be inference tensors; without gradients the same operations are dispatched.
        self.open.enter_context(patch.object(torch, "inference_mode", _without_gradients))
        self.open.enter_context(_Dispatch(self))
        self.open.enter_context(_Functions(self))
        return self

    def __exit__(self, *error: Any) -> None:
        self.open.close()

    def synchronize(self, device: Any = None) -> None:
        self.synchronised += 1
        self.wait()

    def wait(self) -> None:
        self.host = max(self.host, self.idle_at)
        arrived, self.pending = self.pending, []
        for copy, numbers in arrived:
            copy.copy_(numbers)

    def clock(self) -> float:
        """The host's clock, which does not wait."""
        return self.host

    def put(self, value: Any) -> Any:
        """The same on the device."""
        return CudaTensor(value, self) if isinstance(value, Tensor) and not isinstance(value, CudaTensor) else value

    def fetch(self, tensor: CudaTensor) -> Tensor:
        """The same on the host, which waits for it."""
        self.reads["copy to the host"] += 1
        self.wait()
        return tensor.inner.clone()

    def fetch_later(self, tensor: CudaTensor) -> Tensor:
        """A copy to the host that the host does not wait for."""
        copy = torch.full_like(tensor.inner, math.nan if tensor.dtype.is_floating_point else 0)
        self.pending.append((copy, tensor.inner.clone()))
        return copy

    def compute(self, operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        name = operation.name().removeprefix("aten::").split(".")[0]
        if operation is torch.ops.prim.layout.default:
            return args[0].inner.layout
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        strangers = [t for t in tensors if not isinstance(t, CudaTensor) and t.dim() > 0]
        if strangers and name not in INDEXING and name not in TRANSFERS:
            shapes = [tuple(t.shape) for t in strangers]
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu: "
                f"aten::{name} was given CPU tensors of shapes {shapes}"
            )
        if name in READS:
            self.reads[name] += 1
            self.wait()
        elif not operation.is_view:
            self.launches += 1
            self.idle_at = max(self.idle_at, self.host) + self.seconds
        if name == "copy_" and not isinstance(args[0], CudaTensor):
            self.reads["copy to the host"] += 1
            self.wait()
        if kwargs.get("device") is not None:
            kwargs = {**kwargs, "device": "cpu"}
        plain = tree_map(lambda t: t.inner if isinstance(t, CudaTensor) else t, (args, kwargs))
        found = operation(*plain[0], **plain[1])
        same = {id(t.inner): t for t in tensors if isinstance(t, CudaTensor)}  # in place: what was given comes back
        return tree_map(lambda t: same.get(id(t), self.put(t)) if isinstance(t, Tensor) else t, found)


class _Dispatch(TorchDispatchMode):
    """Tensors that torch makes while it works on tensors of the device are the device's, too."""

    def __init__(self, simulation: SimulatedCuda) -> None:
        super().__init__()
        self.simulation = simulation

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        leaves = tree_leaves((args, kwargs))
        if any(isinstance(leaf, CudaTensor) for leaf in leaves):
            return self.simulation.compute(operation, args, kwargs or {})
        found = operation(*args, **(kwargs or {}))
        factory = not any(isinstance(leaf, Tensor) for leaf in leaves)
        return tree_map(self.simulation.put, found) if factory and self.simulation.calls else found


class _Functions(TorchFunctionMode):
    """Sends what is asked for on `cuda` to the simulation, for this torch may not know the word."""

    def __init__(self, simulation: SimulatedCuda) -> None:
        super().__init__()
        self.simulation = simulation

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        here = any(isinstance(leaf, CudaTensor) for leaf in tree_leaves((args, kwargs)))
        name = getattr(function, "__name__", "")
        wanted = _device(kwargs.get("device"))
        if name in ("to", "cuda") and isinstance(args[0], Tensor):
            return self._moved(name, args, kwargs)
        if wanted is not None and wanted.type == "cuda":
            return tree_map(self.simulation.put, function(*args, **(kwargs | {"device": "cpu"})))
        if not here or wanted is not None:
            return function(*args, **kwargs)
        if name in ("matmul", "__matmul__") and [part.dim() for part in args] == [1, 2]:
            args, function = (args[1].T, args[0]), torch.mv  # torch's own way squeezes in place, which a wrapper cannot
        self.simulation.calls += 1
        try:
            found = function(*args, **kwargs)
        finally:
            self.simulation.calls -= 1
        return self.simulation.put(found)  # new_tensor makes its data on the host

    def _moved(self, name: str, args: Any, kwargs: dict[str, Any]) -> Tensor:
        tensor, *rest = args
        target = _device(kwargs.pop("device", None)) or (CUDA if name == "cuda" else None)
        other = []
        for argument in rest:
            if isinstance(argument, Tensor):
                kwargs.setdefault("dtype", argument.dtype)
                target = argument.device
            elif isinstance(argument, (str, int, torch.device)) and not isinstance(argument, bool):
                target = _device(argument)
            else:
                other.append(argument)
        fetch = self.simulation.fetch_later if kwargs.pop("non_blocking", False) else self.simulation.fetch
        here = isinstance(tensor, CudaTensor)
        if target is not None and (target.type == "cuda") != here:
            tensor = fetch(tensor) if here else self.simulation.put(tensor.clone())
        dtype = kwargs.get("dtype", next((one for one in other if isinstance(one, torch.dtype)), tensor.dtype))
        if dtype == tensor.dtype and not kwargs.get("copy"):
            return tensor
        if tensor.layout != torch.strided and isinstance(tensor, CudaTensor):  # torch asks a CSR tensor for its strides
            return self.simulation.put(tensor.inner.to(dtype))
        return tensor.to(*other, **kwargs)


def _without_gradients(mode: bool = True) -> Any:
    return torch.set_grad_enabled(torch.is_grad_enabled() and not mode)


def _device(name: Any) -> torch.device | None:
    return None if name is None else torch.device(name)
