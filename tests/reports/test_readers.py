"""Readers: five questions are two clicks away, and a screen reader and a keyboard get everywhere."""

from __future__ import annotations

import re

import pytest

from reports.findings.finding import FASTEST, MISLEADS, Finding
from reports.page.page import QUESTIONS, answers
from reports.page.section import Section
from tests.reports.small_page import ask, in_a_browser


def section(name: str, table: str = "<table>") -> Section:
    return Section(name, name, "", table, (), "measure it")


def test_a_question_leads_to_the_best_answer_there_is_or_to_what_measures_it():
    found = [Finding(FASTEST, 1.0, "", "", ()), Finding(MISLEADS, 3.0, "", "", ()), Finding(MISLEADS, 2.0, "", "", ())]
    shown = [section(name) for name in ("summary", "time-to-gap", "honesty")]
    listed = answers(found, shown, [section("gpu", ""), section("verdict", "")])
    assert listed == [
        ("Which solver for my problem?", "time-to-gap", True),
        ("How sure is that?", "honesty", True),
        ("What misleads?", "finding-2", True),
        ("What does a GPU bring?", "gpu", False),
    ]  # and without asv's results nothing is said about commits
    assert answers(found, [section("verdict"), *shown], [])[0][1] == "verdict"
    assert answers([], shown, [])[2][1] == "honesty" and answers([], [], []) == []


@in_a_browser
@pytest.mark.slow
def test_each_of_five_questions_is_answered_one_click_from_the_first_screen(page, tmp_path):
    found = ask(
        page,
        """
        const seen = {};
        for (const link of document.querySelectorAll("#questions a")) {
          link.click();
          await new Promise((done) => setTimeout(done, 20));
          const answer = document.getElementById(link.hash.slice(1)), box = answer.getBoundingClientRect();
          const says = answer.matches(".finding, li") ? answer : answer.querySelector("tbody tr:not(.out), figure");
          seen[link.textContent] = { place: link.hash, says: says?.getClientRects().length > 0, top: box.top };
        }
        return seen;
        """,
        tmp_path,
    )
    assert list(found) == list(QUESTIONS)
    assert all(answer["says"] and -5 < answer["top"] < 900 for answer in found.values()), found
    assert {answer["place"] for answer in found.values()} >= {"#time-to-gap", "#honesty", "#gpu", "#commits"}


@in_a_browser
@pytest.mark.slow
def test_tables_and_figures_have_names_and_the_keyboard_reaches_what_can_be_pressed(page, tmp_path):
    found = ask(
        page,
        """
        const all = (selector, root = document) => [...root.querySelectorAll(selector)];
        explore(document.getElementById("at-a-glance"));
        for (const folded of all("details")) folded.open = true;
        const headed = (table) => table.caption?.textContent && !all("thead th:not([scope=col])", table).length
          && all("tbody tr", table).every((row) => row.querySelector("th[scope=row]"));
        const described = (figure) => figure.ariaLabel && figure.querySelector("svg[role=img][aria-label]")
          && document.getElementById(figure.getAttribute("aria-describedby"))?.textContent;
        const shown = (one) => one.getClientRects().length;
        const pressed = all("button, select, summary, a[href], .scroll, .chart").filter(shown);
        const reached = (one) => { one.focus(); return document.activeElement === one && one.tabIndex >= 0; };
        const named = (one) => one.ariaLabel || one.textContent.trim() || one.closest("label");
        const rules = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]);
        const lights = rules.filter((rule) => rule.style?.outline.includes("solid")).map((rule) => rule.selectorText);
        const lit = (one) => lights.some((selector) => one.matches(selector.replaceAll(":focus-visible", "")));
        const fail = (list, good) => list.filter((one) => !good(one)).map((one) => one.outerHTML.slice(0, 120));
        return {
          counts: [all("main table").length, all("main figure").length, pressed.length],
          tables: fail(all("main table"), headed), figures: fail(all("main figure"), described),
          reached: fail(pressed, reached), named: fail(pressed, named), lit: fail(pressed, lit),
        };
        """,
        tmp_path,
    )
    tables, figures, pressed = found.pop("counts")
    assert tables > 5 and figures > 2 and pressed > 40
    assert not any(found.values()), found


def test_on_paper_the_folds_are_open_and_what_can_be_pressed_is_gone(page):
    text = page.read_text()
    (rules,) = re.findall(r"@media print \{(.*?)\n\}", text, re.DOTALL)
    hidden = next(line for line in rules.splitlines() if line.endswith("display: none; }"))
    assert all(name in hidden for name in ("#contents", ".rows", ".explore"))
    assert ".cut .more { display: table-row; }" in rules and 'addEventListener("beforeprint"' in text
