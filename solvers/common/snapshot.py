"""Objects as bytes and back, without pickle: reading a file runs no code, whatever it holds."""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
from torch import Tensor

PLAIN = (type(None), bool, int, str)
PACKAGE = __name__.rpartition(".common.")[0]  # `solvers`, or `hessbench.solvers` in a wheel


class Encoder:
    """Writes numbers, words, tensors, tuples, lists, dicts and objects of known modules; what is met twice, once.

    outside: objects that are not written but named, by their id; modules: whose classes are known beside this
    package's. TypeError for anything else.
    """

    def __init__(self, outside: dict[int, str], modules: set[str]) -> None:
        self.outside, self.modules = outside, modules
        self.seen: dict[int, int] = {}
        self.keep: list[Any] = []  # an id stands for an object while that lives
        self.tensors: list[Tensor] = []

    def bytes(self, value: Any) -> bytes:
        tree = self.encode(value)
        about = [(str(t.dtype)[6:], list(t.shape), list(t.stride()), str(t.device)) for t in self.tensors]
        head = json.dumps({"tree": tree, "tensors": about}).encode()
        parts = [t.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() for t in self.tensors]
        return b"".join([len(head).to_bytes(8, "little"), head, *parts])

    def encode(self, value: Any) -> Any:
        if type(value) in PLAIN:
            return value
        if isinstance(value, float):
            return {"float": value.hex()}
        if id(value) in self.outside:
            return {"outside": self.outside[id(value)]}
        if id(value) in self.seen:
            return {"again": self.seen[id(value)]}
        number = self.seen[id(value)] = len(self.seen)
        self.keep.append(value)
        return {"number": number} | self._node(value)

    def _node(self, value: Any) -> dict[str, Any]:
        kind = type(value)
        if isinstance(value, Tensor) and value.layout == torch.strided:
            self.tensors.append(value)
            return {"tensor": len(self.tensors) - 1}
        if f"{kind.__module__}.{kind.__name__}" == "numpy.ndarray":  # of compiled kernels
            self.tensors.append(torch.from_numpy(value))
            return {"array": len(self.tensors) - 1}
        if kind is dict:
            return {"dict": [[self.encode(key), self.encode(each)] for key, each in value.items()]}
        if kind in (list, tuple):
            return {kind.__name__: [self.encode(each) for each in value]}
        name = f"{kind.__module__}:{kind.__qualname__}"
        if find_class(name, self.modules) is not kind:
            raise TypeError(f"{kind.__name__} is neither a number, nor a tensor, nor made of them")
        if isinstance(value, tuple):
            return {"class": name, "tuple": [self.encode(each) for each in value]}
        state = value.__getstate__() or {}
        if not isinstance(state, dict):
            raise TypeError(f"{kind.__name__} keeps its state in slots")
        return {"class": name, "state": {key: self.encode(each) for key, each in state.items()}}


class Decoder:
    """Reads what an Encoder wrote. outside: the objects of those names. ValueError for a file of anything else."""

    def __init__(self, outside: dict[str, Any], modules: set[str]) -> None:
        self.outside, self.modules = outside, modules
        self.seen: dict[int, Any] = {}

    def value(self, written: bytes) -> Any:
        end = 8 + int.from_bytes(written[:8], "little")
        try:
            head, self.tensors, buffer = json.loads(written[8:end]), [], bytearray(written)
            for dtype, shape, stride, device in head["tensors"]:
                found = torch.empty(shape, dtype=getattr(torch, dtype))
                if found.numel():
                    found = torch.frombuffer(buffer, dtype=found.dtype, count=found.numel(), offset=end).view(shape)
                end += found.numel() * found.element_size()
                self.tensors.append(laid_out(found, stride).to(device))
            return self.decode(head["tree"])
        except (LookupError, TypeError, AttributeError, RuntimeError, UnicodeDecodeError) as error:
            raise ValueError(f"not what this version writes: {error}") from error

    def decode(self, node: Any) -> Any:
        if type(node) in PLAIN:
            return node
        if "float" in node:
            return float.fromhex(node["float"])
        if "outside" in node:
            return self.outside[node["outside"]]
        if "again" in node:
            return self.seen[node["again"]]
        kind = find_class(node["class"], self.modules) if "class" in node else None
        if "state" in node:  # known before its parts, which may refer to it
            found = self.seen[node["number"]] = object.__new__(kind)
            found.__dict__.update({key: self.decode(each) for key, each in node["state"].items()})
            return found
        if "tensor" in node:
            found = self.tensors[node["tensor"]]
        elif "array" in node:
            found = self.tensors[node["array"]].numpy()
        elif "dict" in node:
            found = {self.decode(key): self.decode(each) for key, each in node["dict"]}
        elif "list" in node:
            found = [self.decode(each) for each in node["list"]]
        else:
            found = tuple(self.decode(each) for each in node["tuple"])
            found = found if kind is None else tuple.__new__(kind, found)
        self.seen[node["number"]] = found
        return found


def laid_out(tensor: Tensor, stride: list[int]) -> Tensor:
    """The same entries in memory as before: products of another layout may differ in the last digit."""
    shape = tensor.shape
    for axis, step in enumerate(stride):
        if step == 0:  # one entry, many times
            tensor = tensor.narrow(axis, 0, min(1, shape[axis]))
    found = torch.empty_strided(tensor.shape, stride, dtype=tensor.dtype)
    return found.copy_(tensor).expand(shape)


def find_class(name: str, modules: set[str]) -> type | None:
    """A class by its module, which must be known, and its name; None where there is none."""
    module, _, qualified = name.partition(":")
    if not (module.startswith(f"{PACKAGE}.") or module in modules):
        return None
    found: Any = sys.modules.get(module)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None
