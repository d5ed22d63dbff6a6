"""The verbs of `python -m reports`: quick help with an example; without measurements, the command that makes some."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.audit import verdicts
from benchmarks.profiling import store as profiles
from benchmarks.runner.environment import ROOT
from benchmarks.runner.suites import DTYPES
from benchmarks.scale import store as sessions
from benchmarks.scoreboard import scores
from benchmarks.store import runs
from reports.__main__ import app
from reports.command import output, recommend
from reports.comparing.regressions import THRESHOLD
from reports.data.targets import GAP
from reports.sections.device_map import device_map_section
from reports.sections.performance import performance_section
from reports.sections.phases import phases_section
from reports.sections.scaling import scaling_section
from reports.sections.scoreboard import scoreboard_sections
from reports.sections.tools import tool_sections


@pytest.mark.parametrize("verb", ["build", "compare", "recommend", "regressions", "publish", "export", "import"])
def test_the_help_has_an_example_and_imports_neither_torch_nor_pandas(verb):
    code = f"import sys; sys.argv[1:] = ['{verb}', '--help']; from reports.__main__ import app\n"
    code += "try:\n app()\nfinally:\n print('modules:', *sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"Example: python -m reports {verb}" in " ".join(shown.split())
    assert not {"torch", "pandas", "matplotlib", "scipy"} & set(shown.split("modules:")[1].split())


def test_the_defaults_of_the_options_are_those_of_the_code():
    stores = (runs.DEFAULT, scores.DEFAULT, profiles.PROFILES, sessions.SCALE, verdicts.DEFAULT)
    assert (output.RUNS, output.PEERS, output.PROFILES, output.SCALE, output.VERDICTS) == stores
    assert (output.GAP, output.THRESHOLD, set(recommend.DTYPES)) == (GAP, THRESHOLD, set(DTYPES))


EMPTY = {
    "build": (["--store", "{}", "--out", "{}/out"], "python -m benchmarks run"),
    "compare": (["cpu", "cuda", "--store", "{}"], "python -m benchmarks run"),
    "recommend": (["--check", "--store", "{}"], "python -m benchmarks run"),
    "regressions": (["--results", "{}/absent"], "asv run"),
    "publish": (["--store", "{}"], "--suite classic"),
}


@pytest.mark.parametrize("verb", EMPTY)
def test_without_runs_a_verb_names_the_command_that_makes_some_in_one_sentence(verb, tmp_path):
    options, command = EMPTY[verb]
    outcome = CliRunner().invoke(app, [verb, *(option.format(tmp_path) for option in options)])
    assert outcome.exit_code == 2 and command in outcome.stderr and len(outcome.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_without_measurements_a_section_names_the_command_that_makes_some(out, tmp_path):
    nothing, no_runs = tmp_path / "nothing", pd.DataFrame()
    for command, sections in {
        "benchmarks profile --save": [phases_section(nothing, out)],
        "python -m benchmarks peers": scoreboard_sections(nothing, out),
        "asv run": tool_sections(nothing, nothing, out)[:1],
        "--benchmark-autosave": tool_sections(nothing, nothing, out)[1:],
        "--suite sizes": [scaling_section(no_runs, out)],
        "--device cuda": [device_map_section(no_runs, out)],
        "--suite quick --repeats 6": [performance_section(no_runs, out)],
    }.items():
        (section,) = sections
        assert command in section.note and not section.table and not section.figures
