"""What one sees of a run: a line each, what is left, what is left out, the table at the end, and docs/running.md."""

from __future__ import annotations

import io
import math
import re
import shlex
import sys
import time
from itertools import product

import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks.command import run as command
from benchmarks.command.main import app
from benchmarks.display import doing as doing_module
from benchmarks.display import durations
from benchmarks.display import runs as runs_module
from benchmarks.display.doing import doing
from benchmarks.display.output import exact, rough, say
from benchmarks.display.pace import Pace
from benchmarks.display.results import ROWS, Results, to_gap
from benchmarks.display.runs import Display
from benchmarks.runner import measure as measuring
from benchmarks.runner.environment import ROOT
from benchmarks.runner.suites import MANY, REPEATS, SUITES, Case, classic, default_repeats, quick
from benchmarks.store import runs as store_module
from reports.__main__ import app as reports_app
from solvers import Status

GUIDE = (ROOT / "docs" / "running.md").read_text()
A, B, C = Case("iris", "newton"), Case("iris", "kfac"), Case("wine", "newton")


@pytest.fixture(autouse=True)
def no_calibration(monkeypatch):
    for module in (store_module, command):
        monkeypatch.setattr(module, "calibration", lambda *_: {"gemm_gflops": 1.0})


def rows(seconds: float = 0.002, status: str = "converged", **end) -> list[dict]:
    """Of a run of two iterates."""
    first = {"status": status, "total_seconds": seconds, "iteration": 0, "seconds": 0.0, "gap": 1.0}
    return [first, first | {"iteration": 7, "seconds": seconds, "gap": 1e-9} | end]


# --- the guide


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The commands of the guide, in an empty folder: what each printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("guide"))
        for module in (store_module, command):
            patch.setattr(module, "calibration", lambda *_: {"gemm_gflops": 1.0})
        shown = []
        for line in re.findall(r"^python -m (.*)$", "".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.S)), re.M):
            program, *words = shlex.split(line)
            words += ["--no-data"] if words[0] == "build" else []
            shown.append(CliRunner().invoke({"benchmarks": app, "reports": reports_app}[program], words))
        assert len(shown) == 2 and all(each.exit_code == 0 for each in shown), shown
        yield shown


def test_each_stored_run_has_a_line_and_the_form_of_all_is_that_of_the_guide(followed):
    errors = followed[0].stderr.splitlines()
    line = re.compile(r"(\S+) on (\S+): [\d.]+ (?:us|ms|s), \d+ iterations?, [a-z ]+ \((\d) of 8(, .* left)?\)")
    told = list(filter(None, map(line.fullmatch, errors)))
    assert [found[3] for found in told] == [str(k) for k in range(1, 9)]
    assert {(found[1], found[2]) for found in told} == set(product(("newton", "kfac"), ("iris", "breast-cancer")))
    assert line.fullmatch(next(text for text in GUIDE.splitlines() if text.startswith("newton on iris: ")))
    assert [found[4] is None for found in told] == [False] * 7 + [True]  # nothing is left after the last


def test_the_end_is_a_table_the_count_and_the_next_command(followed):
    errors = followed[0].stderr
    assert re.search(r"iris +kfac +[\d.]+ (us|ms|s) +gap 1e-06 +\d+ +converged +2", errors)
    assert re.search(r"breast-cancer +newton +[\d.]+ (us|ms|s) +its end +\d+ +separable +2", errors)
    *_, counted, last = (line for line in errors.splitlines() if not line.startswith("warning"))
    form = next(text for text in GUIDE.splitlines() if text.startswith("8 runs measured"))
    assert re.sub(r"\(.*\)", "", counted) == re.sub(r"\(.*\)", "", form) and last in GUIDE


def test_the_lines_for_programs_are_as_the_guide_says_and_alone_on_stdout(followed):
    for line in followed[0].stdout.splitlines():
        assert re.fullmatch(r"done [0-9a-f]{20} (newton|kfac) (iris|breast-cancer) [01]", line)
    assert len(followed[0].stdout.splitlines()) == 8


def test_the_report_prints_findings_and_the_path(followed):
    assert followed[1].stdout.splitlines()[-1].endswith("The page: my-report/index.html")
    assert re.search(r"“converged” was true in (\d+) of \1 runs", followed[1].stdout)


# --- lines


def test_a_terminal_has_a_table_that_fills_and_is_drawn_between_runs_only(monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr(
        runs_module, "Console", lambda **_: Console(file=terminal, force_terminal=True, width=100, color_system=None)
    )
    with Display([A, B]) as display:
        for case, status in ((A, "converged"), (B, "time limit")):
            display.begins(case)
            drawn = terminal.tell()
            time.sleep(0.3)  # a thread that draws would do it four times a second
            assert terminal.tell() == drawn and f"{case.solver} on iris" in terminal.getvalue()
            display.ends(case, rows(status=status))
    last = terminal.getvalue().split("solver")[-1]
    assert all(word in last for word in ("newton", "kfac", "2.00 ms", "converged", "time limit", "2 of 2"))


def test_a_line_names_what_differs_between_the_cases_and_what_an_error_was(capsys):
    with Display([A, Case("iris", "newton", dtype="float32")]) as display:
        display.begins(A)
        display.ends(A, [rows(math.nan, "error")[0] | {"message": "ValueError: no"}])
    assert capsys.readouterr().err == (
        "newton, float64 on iris: -, 0 iterations, error: ValueError: no (1 of 2, less than a second left)\n"
    )


def test_a_reader_of_stderr_that_goes_away_ends_nothing():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

        def fileno(self):
            return spare.fileno()

    with open("/dev/null", "w") as spare:
        say("a line", file=Gone())


def test_work_of_less_than_a_second_has_no_line_and_other_work_says_what_it_is_before_it_ends(monkeypatch, capsys):
    with doing("a moment"):
        pass
    monkeypatch.setattr(doing_module, "SILENT", 0.0)
    with doing("counting sheep"):
        deadline = time.monotonic() + 10
        said = ""
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
            said = capsys.readouterr().err
    assert said == "counting sheep ...\n"
    assert capsys.readouterr().err == "counting sheep: less than a second\n"


def test_before_the_first_run_certificates_are_computed(tmp_path, monkeypatch, capsys):
    """And it is said of each that takes long; none where nothing is missing."""
    seen, real = [], command.certificate
    monkeypatch.setattr(command, "certificate", lambda name: seen.append(name) or real(name))
    monkeypatch.setattr(command, "doing", lambda what: seen.append(what) or doing(what))
    monkeypatch.setattr(command, "measure", lambda *a, real=command.measure: seen.append("measured") or real(*a))
    words = ["run", "--problem", "iris", "--solver", "newton", "--repeats", "1", "--store", str(tmp_path)]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert seen.index("computing the certificate of iris") + 1 == seen.index("iris") < seen.index("measured")
    seen.clear()
    assert CliRunner().invoke(app, words).exit_code == 0 and "iris" not in seen


# --- what is left


def test_what_is_left_is_by_the_last_run_of_each_case_and_by_its_problem_where_there_is_none():
    pace = Pace([A, B, C] * 3)
    assert math.isnan(pace.seconds())
    pace.ran(A, 2.0)
    assert pace.seconds() == pytest.approx(2 * 2 + 3 * 2 + 3 * 2)
    pace.ran(B, 4.0)
    assert pace.seconds() == pytest.approx(2 * 2 + 2 * 4 + 3 * 3)
    pace.ran(C, 10.0)
    assert pace.seconds() == pytest.approx(2 * 2 + 2 * 4 + 2 * 10)
    pace.ran(A, 1.0)
    assert pace.seconds() == pytest.approx(1 * 1 + 2 * 4 + 2 * 10)
    for case in (A, B, B, C, C):
        pace.ran(case, 5.0)
    assert pace.seconds() == pytest.approx(0.0, abs=1e-9)


def test_times_in_words():
    assert [exact(t) for t in (2.5e-6, 0.9999e-3, 0.0123, 4.0, 123.4, 5000.0, math.nan)] == [
        *("2.50 us", "1.00 ms", "12.3 ms", "4.00 s", "123 s", "5000 s", "-")
    ]
    assert [rough(t) for t in (0.2, 40, 110, 7200, 4e5)] == ["less than a second", "40 s", "2 min", "2 h", "4.6 days"]


# --- the table at the end


def shown(results: Results) -> list[list[str]]:
    """The rows of its table."""
    table = results.table()
    cells = [[str(cell) for cell in column._cells] for column in table.columns]
    return [list(row) for row in zip(*cells, strict=True)]


def test_the_table_holds_the_fastest_to_the_gap_then_those_that_did_not_get_there_and_errors_last():
    results = Results()
    for repeat in range(3):
        results.add(A, rows(0.004 + 0.001 * repeat))
        results.add(B, rows(0.001, "iteration limit", gap=0.5))
        results.add(Case("iris", "lbfgs"), rows(0.002))
        results.add(Case("iris", "bfgs"), rows(math.nan, "error")[:1])
    assert [row[1:] for row in shown(results)] == [
        ["lbfgs", "2.00 ms", "gap 1e-06", "7", "converged", "3"],
        ["newton", "5.00 ms", "gap 1e-06", "7", "converged", "3"],
        ["kfac", "1.00 ms", "its end", "7", "iteration limit", "3"],
        ["bfgs", "-", "its end", "0", "error", "3"],
    ]


def test_without_a_gap_what_ended_by_itself_comes_before_what_was_stopped():
    results = Results()
    for case, status in ((A, "time limit"), (B, "separable"), (Case("iris", "lbfgs"), "error")):
        run = [row | {"gap": math.nan} for row in rows(0.003 if case == B else 0.001, status)]
        results.add(case, run)
    assert [row[1] for row in shown(results)] == ["kfac", "newton", "lbfgs"]
    assert math.isnan(to_gap([row | {"gap": math.nan} for row in rows()]))


def test_the_table_has_a_dozen_rows_at_most_and_says_how_many_problems_it_leaves_out():
    results = Results()
    for number in range(40):
        for solver in ("newton", "kfac"):
            results.add(Case(f"p{number}", solver), rows())
    assert len(shown(results)) == ROWS and "28 more problems" in results.table().title
    assert Results().table() is None


# --- suites


def test_what_the_options_leave_nothing_of_is_named(tmp_path):
    def said(*words: str) -> str:
        return CliRunner().invoke(app, ["run", *words, "--repeats", "1", "--store", str(tmp_path)]).stderr

    errors = said("--suite", "classic", "--suite", "sizes", "--problem", "breast-cancer-l2", "--solver", "newton")
    assert "left out suite 'sizes': " in errors and "'classic'" not in errors
    errors = said("--suite", "classic", "--problem", "breast-cancer-l2", "--problem", "iris", "--solver", "newton")
    assert "left out problem 'iris': " in errors
    errors = said("--suite", "sizes", "--problem", "synthetic-2000x30", "--solver", "newton-cg", "--solver", "kfac")
    assert "left out solver 'kfac': " in errors
    words = ("--suite", "classic", "--suite", "sizes", "--peer", "scipy:trust-exact", "--dtype", "float64")
    errors = said(*words)
    assert "left out our solvers" in errors and "left out suite 'sizes': " in errors
    assert "left out" not in said("--problem", "iris", "--solver", "newton")


def test_quick_shares_its_runs_with_classic_and_is_short():
    cases = quick()
    assert {case for case in classic() if case.stop.gap_tolerance is not None} <= set(cases)
    others = [case for case in cases if case.problem != "breast-cancer-l2"]
    assert {case.stop.iterations for case in others} == {1000}  # as many as `recommend` needs to count a failure
    network = [case for case in cases if case.problem.startswith("mlp")]
    assert network and all(case.stop.seconds < 1 for case in network)
    assert default_repeats([]) == default_repeats(["quick"]) == REPEATS["quick"]
    assert default_repeats([], ["iris"]) == default_repeats(["quick", "classic"]) == MANY


def test_repeats_with_the_same_iterates_are_evaluated_once_to_the_same_numbers(monkeypatch):
    calls, real = [], measuring._quantities
    monkeypatch.setattr(measuring, "_evaluated", {})
    monkeypatch.setattr(measuring, "_quantities", lambda *a: calls.append(a) or real(*a))
    columns = ("iteration", "value", "gap", "gradient_norm", "test_loss", "norm", "iterate")
    first, second = (
        [[row[name] for name in columns] for row in measuring.evaluate(measuring.measure(A, repeat))]
        for repeat in (0, 1)
    )
    assert first == second and len(calls) == len(first)
    measuring.evaluate(measuring.measure(B))  # other iterates are evaluated, but for the start
    assert len(calls) > len(first)


def test_a_run_beyond_its_budget_is_a_row_with_the_status_time_limit():
    case = Case("mlp-breast-cancer-mean10", "trust-region-steihaug", stop=next(
        case.stop for case in quick() if case.problem == "mlp-breast-cancer-mean10"
    ))  # fmt: skip
    found = measuring.evaluate(measuring.measure(case))
    assert found[0]["status"] == Status.TIME_LIMIT and found[-1]["iteration"] > 0


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_states_how_long_it_takes(suite, monkeypatch):
    words = durations.expected(suite, SUITES[suite])
    assert re.search(r"\d (s|min|h|days) for (6|10) repeats", words), words
    if suite in durations.MEASURED:  # scaled to the cases that there are
        assert durations.expected(suite, lambda: SUITES[suite]() * 1000) != words and words.startswith("about ")


def test_a_suite_without_a_measurement_or_a_limit_says_so():
    assert durations.expected("mine", lambda: [A]) == "not measured yet"
