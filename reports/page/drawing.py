"""Figures as files, SVG and PNG, the same bytes for the same runs; drawn by other processes while this one goes on.

This module imports nothing of ours, so that a process that draws is ready in a second.
"""

from __future__ import annotations

import html
import io
import os
import re
import signal
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

MOST = 4  # processes: one alone can hardly make figures as fast as so many draw them
_pool: ContextVar[Executor | None] = ContextVar("pool", default=None)


@contextmanager
def other_processes() -> Iterator[None]:
    """Inside, `write_figure` leaves its work to other processes, where there are several cores; at the end all files
    are written. For a command: as always with multiprocessing, they import the script that is run."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores == 1:
        yield
        return
    context = get_context("forkserver")  # a fork of this process would inherit torch's threads as they are
    context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(min(cores, MOST), context, signal.signal, (signal.SIGINT, signal.SIG_IGN))
    token = _pool.set(pool)
    try:
        yield
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        _pool.reset(token)
        pool.shutdown()


def write_figure(canvas: Figure, stem: Path, source: str = "") -> Callable[[], str]:
    """Write stem.svg and stem.png, with the runs behind them in their metadata. What is returned waits until they are
    written, and gives the SVG for the page, without its XML prologue."""
    if pool := _pool.get():
        with suppress(BrokenExecutor):
            settings = dict.copy(mpl.rcParams)
            del settings["backend"]  # an object of this process, where none was chosen
            drawn = pool.submit(_draw, settings, canvas, stem, source)
            return lambda: _result(drawn, canvas, stem, source)
    svg = draw(canvas, stem, source)
    return lambda: svg


def _draw(settings: dict[str, Any], *figure: Any) -> str:
    with mpl.rc_context(settings):
        return draw(*figure)


def _result(drawn: Future[str], *figure: Any) -> str:
    """Of a process that draws; where one was killed, perhaps for memory, the figure is drawn here."""
    try:
        return drawn.result()
    except BrokenExecutor:
        return draw(*figure)


def draw(canvas: Figure, stem: Path, source: str) -> str:
    """Both files; the SVG for the page."""
    # `savefig` would lay the figure out, and draw it into nothing, once more for each of the two files.
    canvas.get_layout_engine().execute(canvas)
    canvas.set_layout_engine("none")
    # No date and no version: the same runs give the same bytes.
    described = {"Description": source} if source else {}
    canvas.dpi = 150
    FigureCanvasAgg(canvas).print_png(stem.with_suffix(".png"), metadata={"Software": None, **described})
    buffer = io.StringIO()
    canvas.dpi = FigureCanvasSVG.fixed_dpi
    FigureCanvasSVG(canvas).print_svg(buffer, metadata={"Date": None, "Creator": None, **described})
    svg = "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"
    svg = re.sub(r""" id=(["'])curve:(.*?)\1""", r" data-solver=\1\2\1", svg)  # figures.style.CURVE
    stem.with_suffix(".svg").write_text(svg)
    return unique_ids(slim(svg[svg.index("<svg") :]), stem.name)


def slim(svg: str) -> str:
    """The same drawing in half the length: places to a tenth of a point on curves, else to a hundredth; one rule for a
    style that is used twice; no names that nothing refers to."""
    svg = re.sub(r'\b(?:d|x|y|transform)="[^"]*"', _short, svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", svg)
    used = {*re.findall(r'href="#([^"]+)"', svg), *re.findall(r"url\(#([^)]+)\)", svg)}
    svg = re.sub(r' id="([^"]+)"', lambda name: name[0] if name[1] in used else "", svg)
    styles = Counter(re.findall(r' style="([^"{}<]+)"', svg))
    # Named by what they say: on one page the same rule may stand in many drawings.
    names = {words: f"s{zlib.crc32(words.encode()):x}" for words, count in styles.items() if count > 1}
    svg = re.sub(r' style="([^"{}<]+)"', lambda own: f' class="{names[own[1]]}"' if own[1] in names else own[0], svg)
    rules = "".join(f".{name}{{{html.unescape(words)}}}\n" for words, name in names.items())
    svg = re.sub(r"(<svg[^>]*>)", lambda head: f"{head[0]}\n<style>\n{rules}</style>", svg, count=1)
    return re.sub(r"\n\s*", "\n", svg)


def _short(place: re.Match[str]) -> str:
    return re.sub(r"(\.\d)\d+" if len(place[0]) > 200 else r"(\.\d\d)\d+", r"\1", place[0])


def unique_ids(svg: str, prefix: str) -> str:
    """The same drawing with ids of its own, so that one page can hold many."""
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'(xlink:href|href)="#([^"]+)"', rf'\1="#{prefix}-\2"', svg)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
