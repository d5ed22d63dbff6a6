"""Tables on the page: best rows first, one unit a column, numbers to the right, what is shared in a line above."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from reports.page.table import digits, first_rows, html_table, one_unit, ranked, split
from reports.page.words import brief, code, folding
from reports.page.write import readable


def texts(table: pd.DataFrame) -> list[list[str]]:
    """The rows of the HTML, as a reader sees them."""
    body = html_table(table).split("<tbody>")[1].split("</tbody>")[0]
    return [
        [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<(?:td|th).*?</(?:td|th)>", row)]
        for row in body.split("<tr")[1:]
    ]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("1.23 ms [1.20, 1.31]", "1.23 [1.20, 1.31]"),
        ("950 us [940, 1100]", "0.950 [0.940, 1.10]"),
        ("2.00 s (no interval, n = 1)", "2,000 (no interval, n = 1)"),
        ("> 5.00 s (1 of 3 got there)", "> 5,000 (1 of 3 got there)"),
        ("3.00 ms [2.9, 3.1] (1 of 6 disturbed)", "3.00 [2.90, 3.10] (1 of 6 disturbed)"),
        ("never", "never"),
        ("-", "-"),
        ("12 mice", "12 mice"),
    ],
)
def test_the_times_of_a_column_have_one_unit_which_its_heading_names(cell, shown):
    table, heads = one_unit(pd.DataFrame({"time": [cell, "1.50 ms", "2.50 ms", "3.50 ms"]}))
    assert heads == {"time": "time (ms)"} and list(table["time"]) == [shown, "1.50", "2.50", "3.50"]


def test_a_column_without_times_keeps_its_heading_and_its_cells():
    table = pd.DataFrame({"sizes": ["1,000, 2,000", "30"], "status": ["converged", "stalled"]})
    shown, heads = one_unit(table)
    assert shown.equals(table) and heads == {name: name for name in table}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.01234, "0.0123"), (9.996, "10.0"), (0.9996, "1.00"), (12345.0, "12,300"), (0.0, "0"), (2.5e-6, "0.00000250")],
)
def test_numbers_have_three_digits_and_no_exponent(value, shown):
    assert digits(value) == shown


def test_what_all_rows_share_is_one_line_above_and_the_runs_stay():
    table = pd.DataFrame({"solver": ["a", "b"], "dtype": ["<b>"] * 2, "time": ["1.00 s (no interval, n = 2)"] * 2})
    table["runs"] = [("k",), ("l",)]
    text = html_table(table.assign(time=["1.00 s (no interval, n = 2)", "2.00 s (no interval, n = 2)"]))
    assert "In all rows: dtype &lt;b&gt;. A time without an interval: n = 2." in text
    assert ">dtype<" not in text and "no interval, n" not in text and ">runs<" in text
    shown, shared = split(readable(table[["dtype", "time"]]))
    assert len(shown.columns) == 1 and len(shared) == 1  # a table keeps a column
    assert split(readable(table[:1]))[1] == []  # and one row keeps all


def test_a_problem_has_its_fastest_first_and_runs_that_converged_before_all_others():
    table = pd.DataFrame(
        {
            "problem": ["z", "z", "z", "z", "a"],
            "solver": list("pqrst"),
            "time": ["2.00 s", "900 ms", "1.00 ms", "never", "5.00 s"],
            "status": ["converged", "converged", "diverged", "converged", "converged"],
        }
    )
    assert list(ranked(table, "time")["solver"]) == list("qpsrt")
    assert list(ranked(table.drop(columns="status"), "time")["solver"]) == list("rqpst")
    assert list(ranked(table.drop(columns=["status", "problem"]), "-time")["solver"])[-1] == "r"
    assert ranked(table, "") is table and ranked(table, "of no such name") is table


def test_a_long_table_folds_all_but_the_ten_best_and_of_many_problems_shows_the_best_of_each():
    one = pd.DataFrame({"problem": ["p"] * 30, "time": [f"{k}.00 s" for k in range(1, 31)]})
    assert first_rows(one) == set(range(10))
    assert first_rows(one.assign(problem=["p"] * 15 + ["q"] * 15)) == {*range(5), *range(15, 20)}
    assert first_rows(one.assign(problem=[str(k // 2) for k in range(30)])) == set(range(0, 20, 2))
    assert html_table(one).count("class=more") == 20 and html_table(one[:12]).count("class=more") == 0


def test_numbers_stand_to_the_right_with_what_is_missing_among_them_and_words_to_the_left():
    table = pd.DataFrame({"solver": ["a", "b"], "time": ["1.00 s", "-"]})
    text = html_table(table)
    assert '<th scope="col" data-numbers>time (s)</th>' in text and '<th scope="col">solver</th>' in text
    assert '<td data-sort="1">1.00</td>' in text and "<td class=n>-</td>" in text and '<th scope="row">a</th>' in text
    assert texts(table) == [["a", "1.00"], ["b", "-"]]


# --- words


def test_commands_are_set_as_code_and_paths_of_this_machine_are_not_shown():
    assert code("run `a <b>`") == "run <code>a &lt;b&gt;</code>"
    assert code("/home/me/data/MNIST/x.gz is not there") == "x.gz is not there"
    for words in ("https://example.org/a/b.html", "1/398 of 2 / 3", "docs/a/b.md", "~/data/x", "'/a/b/c'"):
        assert code(words) == words.replace("'/a/b/c'", "&#39;c&#39;")


def test_what_is_long_folds_after_three_short_sentences():
    short = "One. Two. 3 is a number. Four, in 95 % of f* cases."
    assert brief(short) == ("One. Two. 3 is a number.", "Four, in 95 % of f* cases.")
    assert brief("One. Two.") == ("One. Two.", "") and folding("One. Two.") == "One. Two."
    long = f"{'a' * 200}. {'b' * 200}."
    assert brief(long.replace("b", "B", 1)) == (f"{'a' * 200}.", f"B{'b' * 199}.")
    assert folding("A. B. C. D <d>.").endswith("<summary>Details</summary>D &lt;d&gt;.</details>")
