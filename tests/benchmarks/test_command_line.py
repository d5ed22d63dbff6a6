"""The command lines: examples in the help, one sentence and exit 2 for bad input, and a graceful end."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from benchmarks.command import cases as chosen_cases
from benchmarks.command import peers
from benchmarks.command import run as command
from benchmarks.command.main import app
from benchmarks.profiling import recording
from benchmarks.runner.environment import ROOT
from datasets.__main__ import app as datasets_app
from solvers import SOLVERS
from solvers.adapters import PEERS


def run(*options: str):
    return CliRunner().invoke(app, ["run", *options])


VERBS = [("benchmarks", app), ("datasets", datasets_app)]


@pytest.mark.parametrize(
    ("program", "app", "verb"),
    [(program, app, verb.name or verb.callback.__name__) for program, app in VERBS for verb in app.registered_commands],
)
def test_the_help_of_each_verb_has_an_example(program, app, verb):
    outcome = CliRunner().invoke(app, [verb, "--help"])
    assert outcome.exit_code == 0
    assert f"Example: python -m {program} {verb}" in " ".join(outcome.stdout.split())


def test_the_help_of_the_programs_has_an_example():
    for program, each in VERBS:
        shown = " ".join(CliRunner().invoke(each, ["--help"]).stdout.split())
        assert f"Example: python -m {program} " in shown


@pytest.mark.slow
@pytest.mark.parametrize("program", ["benchmarks run", "benchmarks honesty", "datasets list"])
def test_the_help_needs_no_torch(program):
    """Without that import it is there in tenths of a second."""
    call = [sys.executable, "-X", "importtime", "-m", *program.split(), "--help"]
    process = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Example: " in process.stdout
    assert not [line for line in process.stderr.splitlines() if line.endswith((" torch", " pandas"))]


@pytest.mark.parametrize(
    "options",
    [
        ["run", "--suite", "classic", "--budget", "-1"],
        ["run", "--suite", "classic", "--budget=-1"],
        ["run", "--suite", "classic", "--limit", "0"],
        ["peers", "--budget", "0", "--again"],
        ["honesty", "--again", "--seconds", "0"],
    ],
)
def test_former_names_of_options_still_work_and_are_not_shown(options):
    outcome = CliRunner().invoke(app, options)
    assert outcome.exit_code == 2 and "must be" in outcome.stderr
    shown = CliRunner().invoke(app, [options[0], "--help"]).stdout
    assert not any(former in shown for former in ("--budget", "--limit", "--again"))


def test_list_names_all_there_is():
    outcome = CliRunner().invoke(app, ["list"])
    assert outcome.exit_code == 0
    for name in (*SOLVERS, *PEERS, "installed", "breast-cancer-raw", "classic", "quick", "full"):
        assert name in outcome.stdout


def test_problems_are_listed_with_their_certificates():
    names = ["breast-cancer", "breast-cancer-mean10", "iris", "mlp-breast-cancer-mean10"]
    outcome = CliRunner().invoke(datasets_app, ["list", *names], env={"COLUMNS": "200"})
    assert outcome.exit_code == 0
    lines = {name: next(line for line in outcome.stdout.splitlines() if f" {name} " in line) for name in names}
    for name, words in (
        ("breast-cancer", ("logistic", "separable", "0.0772", "none", "13.3")),
        ("breast-cancer-mean10", ("overlapping", "exists", "+-", "5.5")),
        ("iris", ("softmax", "quasi-separable", "exists")),
        ("mlp-breast-cancer-mean10", ("residual MLP", "not known", "in [0, ")),
    ):
        assert all(word in lines[name] for word in words), lines[name]


def test_a_problem_without_its_files_is_named_with_the_command_that_fetches_them(tmp_path, no_data_files):
    listed = CliRunner().invoke(datasets_app, ["list", "iris", "a9a"], env={"COLUMNS": "200"})
    assert listed.exit_code == 2 and " iris " in listed.stdout
    assert "a9a: " in listed.stderr and "python -m datasets fetch a9a" in listed.stderr
    asked = run("--problem", "a9a", "--store", str(tmp_path / "runs"))
    assert asked.exit_code == 2 and "python -m datasets fetch a9a" in asked.stderr
    assert len(asked.stderr.strip().splitlines()) == 1


def test_a_suite_goes_on_without_the_problems_whose_files_are_absent(tmp_path, monkeypatch, no_data_files):
    monkeypatch.setitem(chosen_cases.SUITES, "mixed", lambda: chosen_cases.every_solver(["a9a", "iris"]))
    monkeypatch.setitem(chosen_cases.SUITES, "absent", lambda: chosen_cases.every_solver(["a9a"]))
    outcome = run("--suite", "mixed", "--solver", "newton", "--repeats", "1", "--store", str(tmp_path / "runs"))
    assert outcome.exit_code == 0 and "left out a9a: " in outcome.stderr and "1 runs measured" in outcome.stderr
    outcome = run("--suite", "absent", "--repeats", "1", "--store", str(tmp_path / "runs"))
    assert outcome.exit_code == 2 and "python -m datasets fetch" in outcome.stderr


def test_a_problem_named_without_a_suite_meets_every_solver():
    cases = chosen_cases.cases_of(None, ["digits", "iris"], [], [], [], [], 1, None)
    assert {(case.problem, case.solver) for case in cases} == {(p, s) for p in ("digits", "iris") for s in SOLVERS}


def test_an_absent_device_is_left_out_by_name_beside_one_that_is_there(tmp_path):
    options = ("--problem", "iris", "--solver", "newton", "--repeats", "1", "--store", str(tmp_path / "runs"))
    outcome = run(*options, "--device", "cpu", "--device", "cuda:99")
    assert outcome.exit_code == 0 and "left out: device 'cuda:99' is not there" in outcome.stderr
    assert "1 runs measured" in outcome.stderr


BAD_INPUT = {  # verb -> options with what the sentence names
    "run": [
        (["--suite", "quik"], "quick"),
        (["--problem", "breast-cancer-12"], "breast-cancer-l2"),
        (["--solver", "newton-cholesk"], "newton-cholesky"),
        (["--dtype", "float46"], "float64"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--device", "gpu"], "'gpu'"),
        *((["--repeats", value], "--repeats") for value in ("0", "-1", "1000000000", "9" * 30)),
        *((["--timeout", value], "--timeout") for value in ("0", "-1", "nan", "inf")),
        *((["--memory", value], "--memory") for value in ("0", "-1", "nan", "inf", "1e300")),
        (["--time-limit", "700", "--isolate"], "--timeout must be more seconds than --time-limit"),
        *((["--time-limit", value], "--time-limit") for value in ("-1", "0", "nan", "inf")),
        (["--threads", "0"], "--threads"),
        (["--suite", "classic", "--problem", "breast-cancer-raw"], "classic"),
    ],
    "profile": [
        (["--problem", "breast-cancer-12"], "breast-cancer-l2"),
        (["--solver", "newton-cholesk"], "newton-cholesky"),
        (["--dtype", "float46"], "float64"),
        (["--device", "gpu"], "'gpu'"),
        (["--threads", "0"], "--threads"),
        (["--iterations", "0"], "--iterations"),
        (["--repeats", "0"], "--repeats"),
        (["--n", "100"], "--d"),
        (["--d", "100"], "--n"),
        (["--n", "2", "--d", "100"], "--n"),
        (["--n", "100", "--d", "5", "--problem", "iris"], "--problem"),
        (["--trace", "no/such/folder/trace.json"], "--trace"),
        (["--out", "."], "--out"),
        (["--roofline", "figure.doc"], ".png"),
    ],
    "peers": [
        (["--problem", "breast-cancer-l3"], "did you mean breast-cancer-l2"),
        (["--peer", "scikit-learn:lbgfs"], "did you mean scikit-learn:lbfgs"),
        (["--repeats", "0"], "at least 1"),
        (["--threads", "0"], "between 1 and 1024"),
        (["--time-limit", "0"], "positive number of seconds"),
    ],
}


@pytest.mark.parametrize(
    ("verb", "options", "named"),
    [(verb, options, named) for verb, cases in BAD_INPUT.items() for options, named in cases],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_sentence_and_exit_2(verb, options, named, tmp_path, monkeypatch):
    for module, name in ((command, "measure"), (recording, "record"), (peers, "measure_problem")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("measured in spite of bad input"))
    outcome = CliRunner().invoke(app, [verb, *options, "--store", str(tmp_path / "store")])
    assert outcome.exit_code == 2, outcome.output
    assert isinstance(outcome.exception, SystemExit) and outcome.stdout == ""
    (sentence,) = outcome.stderr.splitlines()
    assert sentence.startswith("error: ") and named in sentence
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("options", [["--repeats", "many"], ["--time-limit", "soon"], ["--no-such-option"]])
def test_what_cannot_be_parsed_is_exit_2_too(options):
    outcome = run(*options)
    assert outcome.exit_code == 2 and "Traceback" not in outcome.output


def test_a_store_that_cannot_be_written_to_is_one_sentence_and_exit_2(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "measure", lambda *_: pytest.fail("measured without a place for the result"))
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file" / "runs", tmp_path / "file"):
        outcome = run("--store", str(folder))
        (sentence,) = outcome.stderr.splitlines()
        assert outcome.exit_code == 2
        assert sentence.startswith("error: ") and str(folder) in sentence and "--store" in sentence


# --- in a process of its own


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_a_real_process_ends_bad_input_without_a_traceback():
    process = start("benchmarks", "run", "--solver", "newtn")
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, output) == (2, "")
    assert re.fullmatch(r"error: unknown solver 'newtn': did you mean newton.*\n", errors)


def test_the_gradient_check_prints_a_row_for_each_block_and_draws_its_curves(tmp_path):
    out = tmp_path / "check.svg"
    result = CliRunner().invoke(datasets_app, ["check", "--out", str(out)])
    assert result.exit_code == 0 and out.read_text().startswith("<?xml")
    assert [result.stdout.count(f" {block} ") for block in ("W1", "b1", "W2", "b2", "W3", "b3")] == [1] * 6


def test_a_wrong_backpropagation_ends_the_check_with_exit_1(monkeypatch):
    from solvers.objectives import residual_mlp

    honest = residual_mlp.backwards

    def wrong(R, W, slopes):
        E, D = honest(R, W, slopes)
        return E, [1.01 * D[0], *D[1:]]

    monkeypatch.setattr(residual_mlp, "backwards", wrong)
    result = CliRunner().invoke(datasets_app, ["check"])
    assert result.exit_code == 1 and "FAIL" in result.stdout


def test_an_unknown_activation_is_one_sentence():
    result = CliRunner().invoke(datasets_app, ["check", "--activation", "tan"])
    assert result.exit_code == 2 and "did you mean tanh" in result.stderr
