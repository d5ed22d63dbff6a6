"""NIST's nonlinear regressions: models, data and certified values, from both of their starts."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .function import TestFunction
from .nist_data import CERTIFIED, MINIMA

SOURCE = "NIST StRD, nonlinear regression, certified to 11 digits"
MOST_DIGITS = 11.0  # that are certified


def saturating(b: Tensor, x: Tensor) -> Tensor:
    return b[0] * (1 - torch.exp(-b[1] * x))


def gauss_peak(b: Tensor, x: Tensor) -> Tensor:
    return b[0] / b[1] * torch.exp(-(((x - b[2]) / b[1]) ** 2) / 2)


def cubic_ratio(b: Tensor, x: Tensor) -> Tensor:
    above = b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3
    return above / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3)


# name -> (the model b, x -> y, in words)
MODELS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], str]] = {
    "misra1a": (saturating, "dental adsorption, b1 (1 - exp(-b2 x))"),
    "misra1b": (lambda b, x: b[0] * (1 - (1 + b[1] * x / 2) ** -2), "the same data, b1 (1 - (1 + b2 x / 2)^-2)"),
    "misra1c": (lambda b, x: b[0] * (1 - (1 + 2 * b[1] * x) ** -0.5), "the same data, b1 (1 - (1 + 2 b2 x)^-1/2)"),
    "misra1d": (lambda b, x: b[0] * b[1] * x / (1 + b[1] * x), "the same data, b1 b2 x / (1 + b2 x)"),
    "danwood": (lambda b, x: b[0] * x ** b[1], "radiated energy, b1 x^b2"),
    "chwirut2": (lambda b, x: torch.exp(-b[0] * x) / (b[1] + b[2] * x), "ultrasonic calibration"),
    "eckerle4": (gauss_peak, "transmittance: a bell curve"),
    "mgh09": (lambda b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]), "Kowalik and Osborne's rational fit"),
    "mgh10": (lambda b, x: b[0] * torch.exp(b[1] / (x + b[2])), "Meyer's thermistor"),
    "mgh17": (
        lambda b, x: b[0] + b[1] * torch.exp(-x * b[3]) + b[2] * torch.exp(-x * b[4]),
        "Osborne's two decays",
    ),
    "rat42": (lambda b, x: b[0] / (1 + torch.exp(b[1] - b[2] * x)), "pasture growth: a logistic curve"),
    "rat43": (
        lambda b, x: b[0] / (1 + torch.exp(b[1] - b[2] * x)) ** (1 / b[3]),
        "onion growth: a generalised logistic curve",
    ),
    "roszman1": (
        lambda b, x: b[0] - b[1] * x - torch.atan(b[2] / (x - b[3])) / math.pi,
        "quantum defects in iodine",
    ),
    "boxbod": (saturating, "biochemical oxygen demand, b1 (1 - exp(-b2 x))"),
    "thurber": (cubic_ratio, "electron mobility: a cubic over a cubic"),
}


def residuals(name: str) -> Callable[[Tensor], Tensor]:
    """b (d,) -> y - model(b, x), (n,)."""
    model, data = MODELS[name][0], CERTIFIED[name]

    def of(b: Tensor) -> Tensor:
        y, x = (torch.tensor(values, dtype=b.dtype, device=b.device) for values in (data.y, data.x))
        return y - model(b, x)

    return of


def correct_digits(found: Tensor | tuple[float, ...], certified: tuple[float, ...]) -> float:
    """The least of -log10(|found - certified| / |certified|) over the entries, between 0 and 11 (McCullough 1998, The
    American Statistician 52, p. 358); 0 where an entry is not finite."""
    errors = [abs(float(b) - c) / abs(c) for b, c in zip(found, certified, strict=True)]
    if not all(map(math.isfinite, errors)):
        return 0.0
    worst = max(errors)
    return MOST_DIGITS if worst == 0 else min(MOST_DIGITS, max(0.0, -math.log10(worst)))


NIST = tuple(
    TestFunction(
        f"nist-{name}-{1 + i}",
        f"{words}, from start {1 + i}",
        residuals(name),
        CERTIFIED[name].starts[i],
        *MINIMA[name],
        SOURCE,
    )
    for name, (_, words) in MODELS.items()
    for i in range(2)
)
