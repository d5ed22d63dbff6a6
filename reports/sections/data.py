"""The data itself: the gradient check of the residual MLP, and two-view MNIST."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch

from datasets import DataError, MNISTTwoView
from datasets.checks.residual_mlp import DATA, check, draw, table, two_view_batch
from datasets.two_view.figure import views_figure

from ..figures import style
from ..page.section import Section, SectionWriter
from ..tables.record import Table

ACTIVATION = "tanh"
GROUP = "The data"  # of both sections


def gradient_check(checks: dict[str, list]) -> pd.DataFrame:
    """Each row is a block of parameters of the residual MLP (two hidden layers, tanh, float64, at a random start): the
    relative error of its hand-derived gradient against autograd and central differences, and the slopes of its Taylor
    remainders, which are 2 and 3 for correct derivatives. A dash: only rounding is left."""
    return pd.DataFrame([{"data": data} | row for data, rows in checks.items() for row in table(rows)])


def data_sections(out: Path, progress: Callable[[str], None] = lambda name: None) -> list[Section]:
    """Both sections; where MNIST is not there they say so."""
    missing, checks = "", {}
    with one_thread():
        for data in DATA:
            progress(f"gradient check: {data}")
            try:
                checks[data] = check(ACTIVATION, data=data, batch=two_view_batch() if data == "two-view" else None)
            except (DataError, ImportError) as error:
                missing = f"MNIST is not part of this report: {error}."
    writer = SectionWriter(CHECK.name, CHECK.heading, out, group=GROUP)
    writer.table(CHECK, gradient_check(checks))
    for data, blocks in checks.items():
        canvas, axes = style.canvas()
        draw(blocks, axes)
        axes.set_title(f"Central differences against the step\n{data}, {ACTIVATION}")
        writer.figure(f"gradient-check--{data}", f"Gradient check: {data}", canvas, CURVE)
    views = SectionWriter("two-view", "Two-view MNIST", out, group=GROUP)
    if not missing:
        canvas = views_figure(MNISTTwoView(download=False, seed=0))
        views.figure("two-view-mnist", "Two-view MNIST", canvas, VIEWS)
    return [writer.section(missing), views.section(missing)]


@contextmanager
def one_thread() -> Iterator[None]:
    """On matrices this small a second thread waits more than it works: on a busy machine it took six times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


CURVE = (
    "The relative error of a block's directional derivative falls with the square of the step until rounding, which "
    "grows as the step shrinks, takes over: the V shape of a correct gradient."
)
VIEWS = "Each row: a training digit with its label, and two random views of it (crop, affine map, erasure), seed 0."
CHECK = Table("gradient-check", gradient_check, "The gradient check", published=True)
