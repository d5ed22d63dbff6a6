"""The entry point `hessbench`: all verbs of all packages, quick help, one version, and options with one meaning."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from typing import get_args, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.command.main import app as measuring
from datasets.__main__ import app as data
from datasets.folders import ROOT
from hessbench import __main__ as entry
from reports.__main__ import app as report

GROUPS = {"": measuring, "report": report, "data": data}
FORMER = {"--budget", "--limit", "--again", "--seconds", "--case", "--results"}
# --data: the rows that `data check` takes, and whether the report shows the data. --baseline: counts, and a commit.
TWO_MEANINGS = {"--data", "--baseline", "--l2"}  # a probe has a path of penalties
HEAVY = ("torch", "numpy", "pandas", "matplotlib", "scipy", "sklearn", "pyarrow")

# Shows the help of many commands in one process, and then what that process has imported.
SHOW = """
import json, sys
from typer.testing import CliRunner
from hessbench.__main__ import app
for words in json.loads(sys.argv[1]):
    outcome = CliRunner().invoke(app, words)
    assert outcome.exit_code == 0 and outcome.stdout, (words, outcome.output)
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


def verbs() -> Iterator[tuple[str, str]]:
    """Group and verb of all there is."""
    for group, app in GROUPS.items():
        yield from ((group, verb) for verb in typer.main.get_command(app).commands)


def words(group: str, verb: str) -> list[str]:
    return [word for word in (group, verb) if word]


def test_every_verb_of_every_package_is_a_verb_of_the_entry_point():
    found = typer.main.get_command(entry.app)
    assert {"run", "list", "report", "data"} <= set(found.commands)
    for group, verb in verbs():
        assert verb in (found.commands[group].commands if group else found.commands)


def test_help_and_version_import_nothing_that_takes_long():
    every = [["--help"], ["--version"], ["report", "--help"], ["report", "--version"], ["data", "--help"]]
    every += [[*words(group, verb), "--help"] for group, verb in verbs()]
    call = [sys.executable, "-c", SHOW, json.dumps(every)]
    loaded = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "typer" in loaded and not set(HEAVY) & set(loaded)


@pytest.mark.parametrize("app", [entry.app, *GROUPS.values()])
def test_the_version_is_that_of_the_project(app):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert CliRunner().invoke(app, ["--version"]).stdout == f"hessbench {project['version']}\n"


def options(callback: Callable) -> Iterator[tuple[str, str]]:
    """The options of a verb, each with the kind of value it takes, once or repeatedly."""
    for name, hint in get_type_hints(callback, include_extras=True).items():
        for info in getattr(hint, "__metadata__", ()):
            if isinstance(info, typer.models.OptionInfo):
                kinds = re.findall(r"bool|int|float|str|Path", str(get_args(hint)[0]))
                named = isinstance(info.default, str) and info.default.startswith("--")  # typer keeps the first there
                yield info.default if named else "--" + name.replace("_", "-"), kinds[0]


def test_an_option_takes_the_same_kind_of_value_in_every_verb():
    kinds: dict[str, set[str]] = {}
    for app in GROUPS.values():
        for command in app.registered_commands:
            for option, kind in options(command.callback):
                kinds.setdefault(option, set()).add(kind)
    assert {"--store", "--problem", "--threads", "--time-limit", "--json", "--asv"} <= set(kinds)
    assert not FORMER & set(kinds)
    assert {option for option, found in kinds.items() if len(found) > 1} == TWO_MEANINGS, kinds


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["honesty", "--seconds", "0"], "--time-limit"),
        (["honesty", "--case", "far-twin"], "far-twins"),
        (["profile", "--json", "."], "--out"),
        (["report", "regressions", "--results", "no-such-folder"], "no-such-folder"),
    ],
)
def test_former_names_work_where_they_did(options, named):
    outcome = CliRunner().invoke(entry.app, options)
    assert outcome.exit_code == 2 and named in outcome.stderr and "No such option" not in outcome.stderr


def test_a_former_name_is_unknown_where_it_never_was():
    for options in (["report", "build", "--json", "x"], ["run", "--case", "x"]):
        outcome = CliRunner().invoke(entry.app, options)
        assert outcome.exit_code == 2 and "No such option" in outcome.stderr


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hessbench re", {"report"}),
        ("hessbench report re", {"recommend", "regressions"}),
        ("hessbench run --solver newton-c", {"newton-cholesky", "newton-cg"}),
        ("hessbench run --peer scikit", {"scikit-learn:lbfgs"}),
        ("hessbench peers --problem mgh-", {"mgh-rosenbrock"}),
        ("hessbench run --suite c", {"classic", "cutest"}),
    ],
)
def test_a_shell_completes_verbs_and_names(line, expected):
    asked = {"_HESSBENCH_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    call = [sys.executable, "-m", "hessbench"]
    said = subprocess.run(call, cwd=ROOT, env=os.environ | asked, capture_output=True, text=True).stdout.split()
    assert expected <= set(said) and all(word.startswith(line.split()[-1]) for word in said)


def test_a_missing_library_is_one_sentence_with_the_command_that_installs_it(monkeypatch, capsys):
    def call(**options):
        import no_such_library  # noqa: F401

    monkeypatch.setattr(entry, "app", call)
    with pytest.raises(SystemExit) as end:
        entry.main()
    assert end.value.code == 2
    assert capsys.readouterr().err == f"error: no_such_library is not installed: {entry.REMEDY}\n"


def test_a_missing_module_of_ours_is_an_error_of_ours(monkeypatch):
    def call(**options):
        import solvers.no_such_module  # noqa: F401

    monkeypatch.setattr(entry, "app", call)
    with pytest.raises(ModuleNotFoundError):
        entry.main()


def test_nothing_imports_the_entry_point():
    for package in ("solvers", "datasets", "benchmarks", "reports"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text()
            assert "import hessbench" not in text and "from hessbench" not in text, path
