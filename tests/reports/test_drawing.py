"""Figures that other processes draw are the same files, and one that is killed loses none."""

from __future__ import annotations

import os
import re
import signal
from xml.etree import ElementTree

import numpy as np
import pytest

from reports.figures import style
from reports.page import drawing
from reports.page.drawing import other_processes, write_figure


def figure():
    canvas, axes = style.canvas()
    axes.plot([1, 2, 4], [1, 3, 2], label="a curve")
    style.legend(canvas, axes.get_legend_handles_labels()[0])
    return canvas


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    style.apply()


def test_other_processes_draw_the_same_bytes(tmp_path, monkeypatch):
    here = write_figure(figure(), tmp_path / "here", "6 runs")()
    monkeypatch.setattr(drawing, "draw", lambda *_: pytest.fail("drawn in this process"))
    with other_processes():
        there = write_figure(figure(), tmp_path / "there", "6 runs")
    assert re.sub(r"\bf\w+-(?=\d)", "", there()) == re.sub(r"\bf\w+-(?=\d)", "", here)
    for suffix in (".svg", ".png"):
        assert (tmp_path / f"there{suffix}").read_bytes() == (tmp_path / f"here{suffix}").read_bytes()


def kill(*_) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_where_a_process_is_killed_the_figures_are_drawn_here(tmp_path):
    with other_processes():
        drawing._pool.get().submit(kill)
        drawn = [write_figure(figure(), tmp_path / name) for name in ("a", "b", "c")]
        assert all(svg().startswith("<svg") for svg in drawn)
    assert len(list(tmp_path.iterdir())) == 6


def test_an_error_ends_it_without_waiting_for_what_has_not_begun(tmp_path):
    with pytest.raises(KeyboardInterrupt), other_processes():
        drawn = [write_figure(figure(), tmp_path / str(k)) for k in range(30)]
        raise KeyboardInterrupt
    assert drawing._pool.get() is None and drawn and len(list(tmp_path.iterdir())) < 60


def test_a_drawing_on_the_page_is_shorter_and_its_curves_name_their_solver(tmp_path):
    """With what a rule says twice in one place, and nothing without a use."""
    canvas, axes = style.canvas()
    axes.plot([1, 2, 4], [1, 3, 2], gid=style.CURVE + 'a "b" <c>')
    axes.plot([1, 2, 4], [2, 3, 1], gid=style.CURVE + "d")
    shown = write_figure(canvas, tmp_path / "f")()
    file = (tmp_path / "f.svg").read_text()
    root, whole = ElementTree.fromstring(shown), ElementTree.fromstring(file)
    for tree in (root, whole):
        assert [e.get("data-solver") for e in tree.iter() if e.get("data-solver")] == ['a "b" <c>', "d"]
    assert len(shown) < 0.7 * len(file)
    names = {e.get("class") for e in root.iter() if e.get("class")}
    rules = "".join(e.text or "" for e in root.iter() if e.tag.endswith("style"))
    assert names and all(f".{name}{{" in rules for name in names)
    ids = {e.get("id") for e in root.iter() if e.get("id")}
    assert ids and all(f"#{name}" in shown for name in ids)
    assert set(re.findall(r'(?:href="|url\()#([\w-]+)', shown)) == ids
    assert not ids & set(re.findall(r'\bid="([^"]+)"', write_figure(canvas, tmp_path / "g")()))


def test_a_path_on_the_page_leads_to_the_same_places_within_what_is_rounded():
    places = [(10.123, 20.0), (10.123, 20.0), (9.87, 20.5), (0.0, -3.25), (250.0, 0.04)]
    path = "M " + "\nL ".join(f"{x:.6f} {y:.6f}" for x, y in places) + "\nz\n"
    assert drawing._path(path) == "M10.12 20l0 0-.25 .5-9.87-23.75 250 3.29z"
    long = "M " + "\nL ".join(f"{k / 7:.6f} {(k * k % 11) / 3:.6f}" for k in range(100))
    start, *steps = re.findall(r"-?(?:\d+\.?\d*|\.\d+) ?-?(?:\d+\.?\d*|\.\d+)", drawing._path(long))
    moves = np.array([re.findall(r"-?(?:\d+\.?\d*|\.\d+)", move) for move in (start, *steps)], float).cumsum(axis=0)
    assert np.abs(moves - [(k / 7, (k * k % 11) / 3) for k in range(100)]).max() <= 0.051
    curved = "M 1.2345 0\nC 1 2.3456 3 4 5 6\nz\n"
    assert drawing._path(curved) == "M 1.23 0 C 1 2.34 3 4 5 6 z"
