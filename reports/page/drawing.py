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
    """The same drawing in a half the length: places to a tenth of a point on curves, else to a hundredth, each from
    the one before it; one rule for a style that is used twice; no groups, names or metadata without a use."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(?:x|y|transform)="[^"]*"', lambda place: re.sub(r"(\.\d\d)\d+", r"\1", place[0]), svg)
    svg = re.sub(r'\bd="([^"]*)"', lambda path: f'd="{_path(path[1])}"', svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", svg)
    svg = svg.replace("xlink:href=", "href=")
    used = {*re.findall(r'href="#([^"]+)"', svg), *re.findall(r"url\(#([^)]+)\)", svg)}
    svg = re.sub(r' id="([^"]+)"', lambda name: name[0] if name[1] in used else "", svg)
    styles = Counter(re.findall(r' style="([^"{}<]+)"', svg))
    # Named by what they say: on one page the same rule may stand in many drawings.
    names = {words: f"s{zlib.crc32(words.encode()):x}" for words, count in styles.items() if count > 1}
    svg = re.sub(r' style="([^"{}<]+)"', lambda own: f' class="{names[own[1]]}"' if own[1] in names else own[0], svg)
    rules = "".join(f".{name}{{{html.unescape(words)}}}\n" for words, name in names.items())
    svg = re.sub(r"(<svg[^>]*>)", lambda head: f"{head[0]}\n<style>\n{rules}</style>", svg, count=1)
    return re.sub(r"\n\s*", "\n", _without_bare_groups(svg))


def _path(places: str) -> str:
    """A path as moves from place to place, `M57 22.5l3-.2 4.1.6`, without those of no length; one that has curves is
    only rounded."""
    digits = 1 if len(places) > 200 else 2
    commands = re.findall(r"([A-Za-z])([^A-Za-z]*)", places)
    if any(letter not in "MLz" for letter, _ in commands):
        return " ".join(re.sub(r"(\.\d\d)\d+", r"\1", places).split())
    shown, here, last = "", (0, 0), ""
    for letter, numbers in commands:
        if letter == "z":
            shown, last = shown + "z", "z"
            continue
        to = tuple(round(float(number) * 10**digits) for number in numbers.split())
        step = to[0] - here[0], to[1] - here[1]
        if letter == "M":
            shown += "M" + _joined(to, digits)
        elif step != (0, 0) or last == "M":
            shown += ("" if last == "L" and step[0] < 0 else " " if last == "L" else "l") + _joined(step, digits)
        else:
            continue
        here, last = to, letter
    return shown


def _joined(place: tuple[int, ...], digits: int) -> str:
    """Two numbers of so many digits after the point; a minus parts them as well as a space does."""
    x, y = (re.sub(r"^(-?)0\.", r"\1.", f"{part / 10**digits:.{digits}f}".rstrip("0").rstrip(".")) for part in place)
    return x + ("" if y.startswith("-") else " ") + y


def _without_bare_groups(svg: str) -> str:
    """Without the groups that have no attribute."""
    kept: list[bool] = []

    def tag(found: re.Match[str]) -> str:
        if found[0] == "</g>":
            return "</g>" if kept.pop() else ""
        kept.append(found[0] != "<g>")
        return found[0] if kept[-1] else ""

    return re.sub(r"</?g\b[^>]*>", tag, svg)


def unique_ids(svg: str, prefix: str) -> str:
    """The same drawing with short ids of its own, so that one page can hold many."""
    start = f"{zlib.crc32(prefix.encode()):x}"
    names = {name: f"f{start}-{place}" for place, name in enumerate(re.findall(r'\bid="([^"]+)"', svg))}
    svg = re.sub(r'\bid="([^"]+)"', lambda name: f'id="{names[name[1]]}"', svg)
    svg = re.sub(r'\bhref="#([^"]+)"', lambda name: f'href="#{names[name[1]]}"', svg)
    return re.sub(r"url\(#([^)]+)\)", lambda name: f"url(#{names[name[1]]})", svg)
