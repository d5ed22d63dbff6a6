"""The verbs of `python -m reports`: their help has an example and needs nothing that measures."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.audit import verdicts
from benchmarks.profiling import store as profiles
from benchmarks.runner.environment import ROOT
from benchmarks.runner.suites import DTYPES
from benchmarks.scoreboard import scores
from benchmarks.store import runs
from reports.command import output, recommend
from reports.comparing.regressions import THRESHOLD
from reports.data.targets import GAP


@pytest.mark.parametrize("verb", ["build", "compare", "recommend", "regressions", "publish"])
def test_the_help_has_an_example_and_imports_neither_torch_nor_pandas(verb):
    code = f"import sys; sys.argv[1:] = ['{verb}', '--help']; from reports.__main__ import app\n"
    code += "try:\n app()\nfinally:\n print('modules:', *sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"Example: python -m reports {verb}" in " ".join(shown.split())
    assert not {"torch", "pandas", "matplotlib", "scipy"} & set(shown.split("modules:")[1].split())


def test_the_defaults_of_the_options_are_those_of_the_code():
    stores = (runs.DEFAULT, scores.DEFAULT, profiles.PROFILES, verdicts.DEFAULT)
    assert (output.RUNS, output.PEERS, output.PROFILES, output.VERDICTS) == stores
    assert (output.GAP, output.THRESHOLD, set(recommend.DTYPES)) == (GAP, THRESHOLD, set(DTYPES))
