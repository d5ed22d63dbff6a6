"""Figures to play with: the page has their lines as numbers, and a browser reads, zooms, switches and filters them."""

from __future__ import annotations

import hashlib
import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from reports.figures import style
from reports.figures.problem import FIGURES
from reports.page import page as page_module
from reports.page.curves import as_json, curves, outline
from tests.reports.small_page import ask, in_a_browser

# --- the numbers


def test_the_lines_of_a_figure_have_their_numbers_looks_axes_and_bands():
    canvas, axes = style.canvas()
    axes.set(xscale="log", xlabel="time (ms)", ylabel="gap", title="A figure")
    (one,) = axes.plot(
        [1, 2, np.nan, 4], [3, 5, 6, np.inf], "--", color="#ff0000", marker="s", mfc="white", label="one"
    )
    style.also(one, x={"iteration": [0, 1, 2, 3]}, band={"x": ([1, 1, 1, 1], [2, 2, 2, 2])})
    (grey,) = axes.plot([1, 2], [1, 2], color="#c8c8c8", gid=f"{style.CURVE}two", label=f"7{style.OTHERS}")
    style.also(grey, look=("#00ff00", "o", "#00ff00", ":"))
    axes.plot([1, 2], [1, 2], label="_without a name")
    axes.plot([1], [1], marker="o", label="a point")
    axes.axhline(3.0, label="a rule")
    axes.axhspan(1.0, 1.5)
    found = curves(canvas)
    assert [line["label"] for line in found["lines"]] == ["one", "two"] and found["title"] == "A figure"
    first, second = found["lines"]
    assert first["x"][""].tolist() == [1, 2] and first["y"].tolist() == [3, 5]
    assert first["x"]["iteration"].tolist() == [0, 1] and first["band"]["x"][1].tolist() == [2, 2]
    assert (first["colour"], first["marker"], first["hollow"], first["dash"]) == ("#ff0000", "s", True, [7, 4])
    assert (second["colour"], second["hollow"], second["grey"], second["name"]) == ("#00ff00", False, True, "two")
    assert (found["x"]["log"], found["y"]["log"], found["x"]["label"]) == (True, False, "time (ms)")
    assert found["spans"] == [[1.0, 1.5]] and "ticks" not in found["x"]
    axes.set_xticks([1, 2], ["a", "b"])
    assert curves(canvas)["x"]["ticks"] == [(1.0, "a"), (2.0, "b")]


def test_a_figure_without_lines_or_with_several_axes_stays_a_drawing():
    canvas, axes = style.canvas()
    axes.scatter([1, 2], [1, 2], label="points")
    assert curves(canvas) is None
    axes.plot([1, 2], [1, 2], label="line")
    assert curves(canvas) is not None
    canvas.add_subplot(221)
    assert curves(canvas) is None


@pytest.mark.parametrize("name", ["gap-time", "gap-iteration", "test-loss-time"])
def test_a_figure_of_a_problem_can_be_seen_against_time_iterations_and_evaluations(runs, name):
    cell = runs.frame[runs.frame["problem"] == "breast-cancer-l2"]
    canvas, axes = style.canvas()
    FIGURES[name].draw(cell, axes)
    for line in curves(canvas)["lines"]:
        assert {axes.get_xlabel(), *line["x"]} == {"", "time (ms)", "iteration", "evaluations of f"}
        own = cell[cell["label"] == line["name"]]
        last = own[own["iteration"] == own["iteration"].max()]
        ends = {key: values[-1] for key, values in line["x"].items()}
        ends[axes.get_xlabel()] = ends[""]
        assert ends["iteration"] == last["iteration"].iloc[0] and ends["evaluations of f"] == last["values"].iloc[0]
        assert ends["time (ms)"] == pytest.approx(1e3 * last["seconds"].median())


def test_an_array_that_several_figures_share_is_on_the_page_once():
    canvas, axes = style.canvas()
    axes.plot([0.1, 2, 123456.7], [1e-12, 3, 4], marker="o", label="<b>")
    text = as_json([("f", curves(canvas)), ("g", curves(canvas))])
    known = json.loads(text)
    assert known["arrays"] == [[0.1, 2, 123500], [1e-12, 3, 4]] and "<" not in text
    assert known["figures"]["f"]["lines"] == known["figures"]["g"]["lines"]
    assert known["figures"]["f"]["lines"][0]["y"] == 1 and set(known["markers"]) == {"o"}


@pytest.mark.parametrize("marker", [*style._MARKERS, "None", "."])
def test_the_outline_of_a_marker_is_a_path_of_numbers(marker):
    path = outline(marker)
    assert re.fullmatch(r"(?:[MLQC]-?[\d. e-]+|Z)*", path) and bool(path) == (marker != "None")


def test_the_library_is_the_one_whose_checksums_stand_beside_it():
    folder = page_module.HERE / "uplot"
    listed = dict(re.findall(r"^- `(\S+)` (\w{64})$", (folder / "README.md").read_text(), re.MULTILINE))
    assert set(listed) == {path.name for path in folder.iterdir()} - {"README.md"}
    for name, checksum in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum, name


def test_a_page_holds_the_numbers_of_its_figures_and_what_draws_them(page):
    text = page.read_text()
    (known,) = re.findall(r'<script type="application/json" id="curves">(.*?)</script>', text, re.DOTALL)
    found = json.loads(known)
    assert "at-a-glance" in found["figures"] and "uPlot" in text
    (figure,) = re.findall(r'<figure id="at-a-glance".*?</figure>', text, re.DOTALL)
    (drawn,) = re.findall(r"<svg.*?</svg>", figure, re.DOTALL)
    curves_ = {e.get("data-solver") for e in ElementTree.fromstring(drawn).iter() if e.get("data-solver")}
    assert {line["name"] for line in found["figures"]["at-a-glance"]["lines"]} == curves_


# --- in a browser

BEGIN = """
    const figure = document.getElementById("at-a-glance"), seen = {};
    explore(figure);
    await null; // uPlot draws once a script has ended
    const words = () => figure.querySelector(".readout").textContent;
    const press = (key) => figure.querySelector(".chart").dispatchEvent(new KeyboardEvent("keydown", {key}));
    const click = (label) => figure.querySelector(`[aria-label="${label}"]`).click();
    const axis = () => figure.querySelector("select");
    const pixels = () => figure.querySelector("canvas").toDataURL();
"""


@in_a_browser
@pytest.mark.slow
def test_a_figure_tells_the_values_of_a_point_to_the_keyboard_and_to_the_mouse(page, runs, tmp_path):
    found = ask(
        page,
        BEGIN
        + """
        seen.drawing = getComputedStyle(figure.querySelector("svg")).display;
        press("ArrowRight"); seen.first = words(); press("ArrowRight"); seen.next = words();
        press("ArrowRight"); seen.third = words();
        press("ArrowLeft"); seen.second = words(); press("ArrowDown"); seen.other = words();
        const over = figure.querySelector(".u-over"), box = over.getBoundingClientRect();
        const move = (kind, left, top) => over.dispatchEvent(new MouseEvent(kind, {clientX: left, clientY: top}));
        press("Escape"); seen.none = words();
        move("mouseenter", box.left + 1, box.top + 1);
        for (let left = 0; left < box.width && words() === seen.none; left += 7)
          for (let top = 0; top < box.height && words() === seen.none; top += 7)
            move("mousemove", box.left + left, box.top + top);
        seen.mouse = words();
        return seen;
        """,
        tmp_path,
    )
    assert found["drawing"] == "none"
    assert re.fullmatch(
        r"[\w-]+: f - f\* \S+; time \S+ ms( \[.*\])?, iteration \d+, evaluations of f \d+", found["first"]
    )
    solver = found["first"].partition(":")[0]
    assert found["third"] != found["second"] == found["next"] != found["first"] and found["third"].startswith(
        f"{solver}:"
    )
    assert not found["other"].startswith(f"{solver}:") and found["none"].startswith("Point at")
    values = dict(re.findall(r"(iteration|f - f\*) ([\d.e-]+)", found["second"]))
    own = runs.frame[(runs.frame["problem"] == "breast-cancer-l2") & (runs.frame["label"] == solver)]
    gap = own[own["iteration"] == int(values["iteration"])]["gap"].iloc[0]
    assert float(values["f - f*"]) == pytest.approx(gap, rel=6e-3)  # three digits
    assert re.match(r"(newton|gradient-descent): ", found["mouse"])


@in_a_browser
@pytest.mark.slow
def test_axes_zoom_and_lines_change_what_is_drawn_and_come_back(page, tmp_path):
    found = ask(
        page,
        BEGIN
        + """
        const choose = (value) => { axis().value = value; axis().dispatchEvent(new Event("change")); };
        const steps = {
          first: () => 0, linear: () => click("Logarithmic x"), log: () => click("Logarithmic x"),
          dragged: () => {
            const over = figure.querySelector(".u-over"), box = over.getBoundingClientRect();
            const mouse = (kind, on, share) => on.dispatchEvent(new MouseEvent(kind, {
              bubbles: true, movementX: 1, // without a movement uPlot takes it for no drag
              clientX: box.left + share * box.width, clientY: box.top + share * box.height }));
            mouse("mousemove", over, 0.2); mouse("mousedown", over, 0.2);
            mouse("mousemove", over, 0.7); mouse("mouseup", document, 0.7);
          },
          doubled: () => {
            figure.querySelector(".u-over").dispatchEvent(new MouseEvent("dblclick", {bubbles: true}));
            press("Escape"); // the point that the mouse has read
          },
          zoomed: () => click("Zoom in"), all: () => click("Show all of it"),
          named: () => figure.querySelector('[aria-label="gradient-descent"]').focus(),
          left: () => document.activeElement.blur(),
          off: () => click("gradient-descent"), on: () => click("gradient-descent"),
          iterations: () => choose("iteration"), time: () => choose(""),
        };
        for (const [name, step] of Object.entries(steps)) { step(); await null; seen[name] = pixels(); }
        seen.options = [...axis().options].map((option) => option.text);
        seen.named = [...figure.querySelectorAll(".explore button, .explore select")].every((one) => one.ariaLabel);
        return seen;
        """,
        tmp_path,
    )
    first = found["first"]
    assert {name for name, drawn in found.items() if drawn == first} == {
        "first",
        "log",
        "doubled",
        "all",
        "left",
        "on",
        "time",
    }
    assert len({found[name] for name in ("first", "linear", "zoomed", "off", "iterations", "dragged", "named")}) == 7
    assert found["options"] == ["time (ms)", "iteration", "evaluations of f"] and found["named"]


@in_a_browser
@pytest.mark.slow
def test_the_filter_takes_lines_out_and_print_and_downloads_have_the_drawing(page, tmp_path):
    found = ask(
        page,
        BEGIN
        + """
        const all = pixels(), form = document.getElementById("filter");
        form.elements.family.value = "gradient";
        form.elements.family.dispatchEvent(new Event("change", {bubbles: true}));
        await null;
        seen.changed = pixels() !== all;
        const shown = [...figure.querySelectorAll(".legend button")].filter((one) => one.offsetParent);
        seen.legend = shown.map((one) => one.ariaLabel);
        seen.svg = svg(figure).startsWith("<svg") && !svg(figure).includes('data-solver="newton"');
        const print = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])
          .filter((rule) => rule.media?.mediaText === "print").flatMap((rule) => [...rule.cssRules]);
        const style = (selector) => print.find((rule) => rule.selectorText?.includes(selector))?.style.display;
        seen.print = [style(".explored > svg:first-child"), style(".explore,")];
        return seen;
        """,
        tmp_path,
    )
    assert found == {"changed": True, "legend": ["gradient-descent"], "svg": True, "print": ["block", "none"]}
