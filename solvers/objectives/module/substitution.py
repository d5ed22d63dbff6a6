"""Calling a module with other weights than its own, and with attention that can be differentiated twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Substitution:
    """Where a module holds the weights of those names, a tied one in several places, to put others there.

    `torch.func.functional_call` looks that up by name at each call, which took nearly as long as a call of a network of
    two layers.
    """

    def __init__(self, module: nn.Module, names: Iterable[str]) -> None:
        holders: dict[int, list[tuple[dict[str, Tensor | None], str]]] = {}  # by the id of the tensor
        for part in module.modules():
            for held in (part._parameters, part._buffers):
                for key, tensor in held.items():
                    holders.setdefault(id(tensor), []).append((held, key))
        known = dict(module.named_parameters())
        self.own = [known[name] for name in names]
        self.places = [holders[id(weight)] for weight in self.own]

    @contextmanager
    def of(self, weights: Iterable[Tensor]) -> Iterator[None]:
        """A context in which the module has these weights, in the order of the names."""
        try:
            self._put(weights)
            yield
        finally:
            self._put(self.own)

    def _put(self, weights: Iterable[Tensor]) -> None:
        for places, weight in zip(self.places, weights, strict=True):
            for held, key in places:
                held[key] = weight


@contextmanager
def plain_attention() -> Iterator[None]:
    """Attention by plain operations: its other kernels have no second derivative.

    What `torch.nn.attention.sdpa_kernel(SDPBackend.MATH)` does, in a quarter of its time.
    """
    known = torch.backends.cuda  # the flags of the CPU, too
    switches = (known.enable_flash_sdp, known.enable_mem_efficient_sdp, known.enable_cudnn_sdp, known.enable_math_sdp)
    before = (
        known.flash_sdp_enabled(),
        known.mem_efficient_sdp_enabled(),
        known.cudnn_sdp_enabled(),
        known.math_sdp_enabled(),
    )
    try:
        for switch, on in zip(switches, (False, False, False, True), strict=True):
            switch(on)
        yield
    finally:
        for switch, on in zip(switches, before, strict=True):
            switch(on)
