"""Import torchvision where its compiled operators do not load: its Linux wheel beside a CPU-only torch.

`import torchvision` then fails with "operator torchvision::nms does not exist", because it refers to two operators that
are not declared. Declaring them is enough for the transforms and for MNIST, which call neither.
"""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType

import torch

UNDECLARED = "operator torchvision::nms does not exist"
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declarations: list[torch.library.Library] = []  # a declaration ends with its object


@cache
def torchvision() -> ModuleType:
    """The module, with `datasets` and `transforms` loaded; ImportError with the remedy where it is not installed."""
    try:
        module = importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        if error.name != "torchvision":
            raise
        raise ImportError(
            "two-view MNIST needs torchvision: python -m pip install -c constraints.txt -e '.[datasets]'"
        ) from None
    except RuntimeError as error:
        if UNDECLARED not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        for schema in SCHEMAS:
            library.define(schema)
        _declarations.append(library)
        module = importlib.import_module("torchvision")
    for part in ("datasets", "transforms"):
        importlib.import_module(f"torchvision.{part}")
    return module
