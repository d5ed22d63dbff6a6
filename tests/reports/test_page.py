"""Each number leads to its runs; in a browser tables sort, contents lead everywhere, and a phone is wide enough."""

from __future__ import annotations

import html
import json
import math
import re
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from benchmarks.runner.environment import ROOT
from reports.build import build
from reports.data.runs import Runs, load
from reports.figures.problem import FIGURES
from reports.page.page import family
from reports.page.sources import sources
from reports.page.table import html_table
from reports.page.words import END
from reports.page.write import sort_value, write_table
from solvers import SOLVERS
from tests.reports.small_page import CASES, REPEATS, ask, in_a_browser
from tests.reports.test_scoreboard import entry, result

OURS, MISSED = "hessbench:newton-cholesky", {"status": "missing", "best": None, "seconds": []}


# --- the runs behind a number


def test_a_table_names_the_number_of_its_runs_their_machine_dates_and_commits(runs, tmp_path):
    frame = runs.frame.copy()
    one = frame["run"] == frame["run"].iloc[0]
    frame.loc[one, ["commit", "date"]] = ["abc", "2020-02-03T04:05:06+00:00"]
    frame.loc[~one, ["commit", "date", "machine"]] = ["def", "2021-02-03T04:05:06+00:00", "50% <CPU>"]
    table = pd.DataFrame({"a": [1.0], "runs": [tuple(frame["run"].unique())]})
    behind = sources(Runs(frame, {}))
    write_table(table, "Words.", tmp_path / "t", behind)
    words = f"on {'; '.join(sorted(frame['machine'].unique()))}; 2020-02-03 to 2021-02-03; commits abc, def."
    assert (tmp_path / "t.md").read_text().endswith(f"\n\nFrom {len(CASES) * REPEATS} runs {words}\n")
    assert (tmp_path / "t.tex").read_text().startswith(f"% From {len(CASES) * REPEATS} runs {words}\n")
    assert (tmp_path / "t.csv").read_text() == f"a,runs\n1.0,{len(CASES) * REPEATS}\n"
    assert words.replace("<CPU>", "&lt;CPU&gt;") in html_table(table, behind)


def test_a_comment_in_latex_is_one_line_whatever_a_machine_is_called(runs, tmp_path):
    frame = runs.frame.assign(machine="one\nnewline")
    write_table(pd.DataFrame({"runs": [(frame["run"].iloc[0],)]}), "", tmp_path / "t", sources(Runs(frame, {})))
    assert (tmp_path / "t.tex").read_text().splitlines()[0].endswith(".")


def test_a_link_leads_to_the_case_to_the_problem_or_to_the_list(runs):
    behind, frame = sources(runs), runs.frame
    case, problem = frame[frame["case"] == frame["case"].iloc[0]], frame[frame["problem"] == frame["problem"].iloc[0]]
    assert re.fullmatch(r"case-\d+", behind.anchor(case["run"]))
    assert re.fullmatch(r"cases-\d+", behind.anchor(problem["run"])) and behind.anchor(frame["run"]) == "runs"
    assert len({behind.anchor(cell["run"]) for _, cell in frame.groupby("case")}) == len(CASES)


def test_every_run_is_listed_once_with_a_link_to_its_file(runs, page):
    text = page.read_text()
    files = re.findall(r'href="(\.\./runs/\w+\.parquet)"', text)
    assert len(files) == len(set(files)) == len(CASES) * REPEATS
    assert {(page.parent / file).resolve() for file in files} == set(runs.folder.resolve().glob("*.parquet"))


def test_every_link_inside_the_page_leads_somewhere(page):
    text = page.read_text()
    ids = set(re.findall(r'\bid="([^"]+)"', text))
    assert {link for link in re.findall(r'href="#([^"]+)"', text)} <= ids


def test_every_measured_row_and_every_figure_links_to_its_runs(page):
    text = page.read_text()
    assert '<section id="claims">' not in text and '<li id="claims">' in text  # not all of its runs are there
    for name in ("summary", "time-to-gap", "time-to-accuracy", "environment"):
        section = text[text.index(f'<section id="{name}">') :].split("</section>")[0]
        body = section.split("<tbody>")[1].split("</tbody>")[0]
        linked = [row for row in body.split("<tr>")[1:] if re.search(r'href="#(case-|cases-|runs)', row)]
        assert len(linked) == body.count("<tr>")
        assert '<p class="source">From <a href' in section
    for figure in re.findall(r"<figcaption>.*?</figcaption>", text, re.DOTALL):
        assert '<p class="source">From <a href="#cases-' in figure


@pytest.mark.slow
def test_the_same_runs_make_the_same_files_wherever_the_report_stands(runs, tmp_path, monkeypatch):
    """Of the figures two kinds, for they take long."""
    two = {name: FIGURES[name] for name in ("gap-time", "test-loss-time")}
    monkeypatch.setattr("reports.sections.problems.FIGURES", two)
    for name in ("one", "two"):
        shutil.copytree(runs.folder, tmp_path / name / "runs")
        build(load(tmp_path / name / "runs"), tmp_path / name / "report", data=False)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) > 30
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_a_name_that_is_html_stays_a_name(runs, tmp_path, monkeypatch):
    """In tables, in figures, in the list of runs, and where a file is named that was skipped."""
    monkeypatch.setattr("reports.sections.problems.FIGURES", {"run-time": FIGURES["run-time"]})
    bad, frame = "<script>alert(1)</script>", runs.frame.copy()
    others = frame["solver"] != "newton"
    for column in ("solver", "label", "plain_label", "machine", "message", "commit", "rules"):
        frame[column] = frame[column].where(others, bad)
    spoilt = replace(runs, frame=frame, skipped={f"{bad}.parquet": bad}, older={bad: 1})
    build(spoilt, tmp_path / "report", data=False)
    text = (tmp_path / "report" / "index.html").read_text()
    assert "<script>alert" not in text and text.count("&lt;script&gt;alert(1)") > 5


def test_names_of_other_tools_and_of_files_stay_names(runs, tmp_path, monkeypatch):
    """On the scoreboard, in the verdicts, in asv's and pytest-benchmark's sections, among peers, and in every link."""
    monkeypatch.setattr("reports.sections.problems.FIGURES", {})
    bad = "<img src=\"x\" onerror='alert(1)'>"
    peers, asv, micro = (tmp_path / f"{name} {bad}" for name in ("peers", "asv", "micro"))
    peers.mkdir()
    ours, theirs = entry([1e-3] * 7), {f"glum:{bad}": entry([2e-3] * 7), f"b:{bad}": {**MISSED, "message": bad}}
    score = result(bad, 1.0, machine=bad, commit=bad, packages={bad: bad}, entries={OURS: ours} | theirs)
    (peers / "a.json").write_text(json.dumps(score))
    for folder, name in ((asv, "newton-cholesky"), (micro, "objective")):
        shutil.copytree(ROOT / "tests" / "examples" / ("asv" if folder == asv else "pytest-benchmark"), folder)
        for path in list(folder.rglob("*.json")):
            path.write_text(path.read_text().replace(name, json.dumps(bad)[1:-1]))
            (path.parent / f"{bad}{path.name}").write_text("{")
    (peers / f"{bad}.json").write_text("{")
    row = {"contender": bad, "case": bad, "dtype": bad, "verdict": "false", "status": bad, "message": bad, "how": bad}
    row |= {"minimiser": True, "identity": "", "gap": 1.0, "optimum": 0.0, "machine": bad, "commit": bad, "date": bad}
    pd.DataFrame([row]).to_parquet(tmp_path / "verdicts.parquet")
    frame = runs.frame.assign(solver=f"scipy:{bad}", label=f"scipy:{bad}", plain_label=f"scipy:{bad}")
    spoilt = replace(runs, frame=frame, folder=tmp_path / f"runs {bad}", files=dict.fromkeys(frame["run"], bad))
    build(
        spoilt,
        tmp_path / "report",
        data=False,
        peers=peers,
        asv=asv,
        micro=micro,
        verdicts=tmp_path / "verdicts.parquet",
    )
    text = (tmp_path / "report" / "index.html").read_text()
    assert text.count("<img") == 0  # and no comparison of pages, which takes minutes
    for section in ("summary", "scoreboard", "hard-cases", "commits", "micro", "runs"):
        (inside,) = re.findall(f'<section id="{section}">(.*?)</section>', text, re.DOTALL)
        assert "&lt;img src" in inside, section
    assert not re.search(r"href=\"[^\"]*[<>' ]", text)


def test_what_was_not_measured_is_one_list_that_names_the_commands(page):
    text = page.read_text()
    (listed,) = re.findall(r'<section id="missing">(.*?)</section>', text, re.DOTALL)
    (contents,) = re.findall(r'<details id="contents">(.*?)</nav>', text, re.DOTALL)
    assert listed.count("<li ") == len(re.findall(r'<li id="([^"]+)">', listed)) >= 5
    assert "<code>python -m benchmarks run --suite classic</code>" in listed and "`" not in listed
    for name in re.findall(r'<li id="([^"]+)">', listed):
        assert f'href="#{name}"' not in contents and f'<section id="{name}">' not in text
    for section in re.findall(
        r'<section id="(?:top|findings|missing|runs)".*?</section>|(<section.*?</section>)', text, re.DOTALL
    ):
        assert not section or "<table" in section or "<figure" in section


# --- what a table is sorted by


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1.23 ms [1.20, 1.31]", 1.23e-3),
        ("0.5 us", 5e-7),
        ("2.00 s (no interval, n = 1)", 2.0),
        ("1,000", 1000.0),
        ("3.3e-16", 3.3e-16),
        ("12 %", 12.0),
        ("< 1e-9", 1e-9),
        (7, 7.0),
        (("a", "b"), 2.0),
    ],
)
def test_a_cell_sorts_by_the_number_it_begins_with(cell, value):
    assert sort_value(cell) == pytest.approx(value)


@pytest.mark.parametrize("cell", ["-", "no minimiser", "newton", "2026-11-23", "2.13.0+cpu", "", None, math.nan])
def test_words_dates_and_versions_are_no_numbers(cell):
    assert math.isnan(sort_value(cell))


def test_what_was_not_reached_sorts_behind_all_that_was():
    assert 1e9 < sort_value("> 5.00 ms") < sort_value("> 5.00 s (1 of 3 got there)")


# --- in a browser


@in_a_browser
@pytest.mark.slow
def test_a_click_on_a_header_sorts_by_numbers_and_leaves_what_is_none_at_the_end(page, tmp_path):
    cells = ["10.0 ms [9, 11]", "-", "> 5.00 s", "900 us", "no minimiser", "> 4.00 s", "never", "1.00 s"]
    table = pd.DataFrame({"name": ["b10", "b9", "a", "d", "c", "f", "g", "e"], "time": cells})
    copy = tmp_path / "page.html"
    copy.write_text(page.read_text().replace("<main>", f'<main><div id="mine">{html_table(table)}</div>', 1))
    found = ask(
        copy,
        """
        const table = document.querySelector("#mine table");
        const read = (k) => [...table.tBodies[0].rows].map((row) => row.cells[k].textContent);
        const [name, time] = table.tHead.rows[0].cells, seen = {};
        time.querySelector("button").click(); seen.up = read(1); seen.aria = time.getAttribute("aria-sort");
        time.querySelector("button").click(); seen.down = read(1);
        name.querySelector("button").click(); seen.names = read(0);
        seen.other = time.getAttribute("aria-sort"); seen.now = name.getAttribute("aria-sort");
        return seen;
        """,
        tmp_path,
    )
    numbers = ["0.000900", "0.0100 [0.00900, 0.0110]", "1.00", ">\xa04.00", ">\xa05.00", "never"]
    assert found["up"] == [*numbers, "-", "no minimiser"] and found["aria"] == "ascending"
    assert found["down"] == [*numbers[::-1], "-", "no minimiser"]
    assert found["names"] == ["a", "b9", "b10", "c", "d", "e", "f", "g"]
    assert found["other"] is None and found["now"] == "ascending"


@in_a_browser
@pytest.mark.slow
def test_the_contents_name_every_section_and_a_link_unfolds_what_is_folded(page, tmp_path):
    found = ask(
        page,
        """
        const links = [...document.querySelectorAll("#contents a")].map((a) => a.hash.slice(1));
        const sections = [...document.querySelectorAll("main > section")].map((section) => section.id);
        const folded = document.querySelector("#runs details");
        const before = folded.open;
        history.replaceState(null, "", "about:srcdoc#" + folded.querySelector("tr[id]").id);
        reveal();
        return {links, sections, before, after: folded.open, titles: document.title, open: contents.open};
        """,
        tmp_path,
    )
    assert found["links"] == found["sections"] and {"top", "summary", "figures-breast-cancer"} < set(found["links"])
    assert (found["before"], found["after"], found["open"]) == (False, True, True)
    assert found["titles"].startswith("hessbench: 2 problems")


@in_a_browser
@pytest.mark.slow
def test_nothing_is_wider_than_a_phone_but_what_scrolls_by_itself(page, tmp_path):
    script = """
        const wide = [...document.querySelectorAll("main *, #contents *")].filter((element) =>
          !element.closest(".scroll, svg") && element.getBoundingClientRect().right > innerWidth);
        return {width: innerWidth, page: document.documentElement.scrollWidth, open: contents.open,
                wide: wide.map((element) => element.outerHTML.slice(0, 80))};
        """
    found = ask(page, script, tmp_path, width=390)
    assert found["wide"] == [] and found["page"] <= found["width"] == 390 and not found["open"]


@in_a_browser
@pytest.mark.slow
def test_a_choice_leaves_of_every_table_and_figure_what_is_about_it(page, tmp_path):
    found = ask(
        page,
        """
        const form = document.getElementById("filter"), seen = {};
        const choose = (name, value) => {
          form.elements[name].value = value;
          form.elements[name].dispatchEvent(new Event("change", {bubbles: true}));
        };
        const left = (id) => [...document.querySelectorAll(`#${id} tbody tr`)].filter((row) => row.offsetParent)
          .map((row) => [row.cells[0].textContent, row.cells[1].textContent]);
        const figures = () => [...document.querySelectorAll("figure:not(.out)")].map((figure) => figure.id);
        seen.before = left("summary"); seen.all = figures();
        choose("problem", "breast-cancer"); seen.problem = left("summary"); seen.figures = figures();
        seen.gap = document.getElementById("time-to-gap").offsetParent;
        seen.link = document.querySelector('nav a[href="#time-to-gap"]').offsetParent;
        choose("family", "gradient"); seen.both = left("summary");
        seen.csv = csv(document.querySelector("#summary table"));
        form.reset(); seen.after = left("summary"); seen.again = figures();
        return seen;
        """,
        tmp_path,
    )
    assert {problem for problem, _ in found["before"]} == {"breast-cancer", "breast-cancer-l2"}
    assert {problem for problem, _ in found["problem"]} == {"breast-cancer"} and len(found["problem"]) == 2
    assert [figure for figure in found["all"] if "l2" in figure] and "breast-cancer--run-time" in found["figures"]
    assert not [figure for figure in found["figures"] if "l2" in figure] and found["gap"] is found["link"] is None
    assert found["both"] == [["breast-cancer", "gradient-descent"]]
    assert len(found["csv"].splitlines()) == 2 and found["csv"].startswith("problem,solver,")
    assert found["after"] == found["before"] and found["again"] == found["all"]


@in_a_browser
@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(1400, 900), (390, 844)])
def test_the_first_screen_holds_verdict_figure_table_trust_and_source(page, tmp_path, width, height):
    found = ask(
        page,
        """
        for (const figure of document.querySelectorAll("#top figure")) if (!narrow.matches) explore(figure);
        await null;
        const parts = ["h1", "figure", "table", ".trust", ".trust + p", "#questions"];
        const boxes = parts.map((part) => document.querySelector(`#top ${part}`).getBoundingClientRect());
        return {low: Math.max(...boxes.map((box) => box.bottom)), tall: boxes.every((box) => box.height > 10),
                rows: document.querySelectorAll("#top tbody tr").length};
        """,
        tmp_path,
        width,
    )
    assert found["tall"] and found["low"] <= height and 1 <= found["rows"] <= 8


def test_no_words_stand_above_the_fold_beyond_three_sentences(page):
    text = re.sub(r"<details>.*?</details>", "", page.read_text(), flags=re.DOTALL)
    words = re.findall(r'<div class="(?:soft|note)">(.*?)</div>|<figcaption>(.*?)(?:<p|</fig)', text, re.DOTALL)
    assert len(words) > 5
    for some in map("".join, words):
        assert len(END.split(html.unescape(re.sub("<[^>]+>", "", some)).strip())) <= 3


def test_the_family_of_a_solver_is_its_folder_its_library_or_that_it_is_a_plug_in(monkeypatch):
    monkeypatch.setitem(SOLVERS, "mine", type("Mine", (), {"__module__": "my_solver"})())
    names = (
        "newton",
        "trust-region-exact",
        "lbfgs",
        "nesterov",
        "scipy:BFGS",
        "torch:Adam",
        "mine",
        "of another machine",
    )
    found = ["newton", "trust region", "approximate", "gradient", "scipy", "torch", "plug-in", "plug-in"]
    assert [family(name) for name in names] == found
