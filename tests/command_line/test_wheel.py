"""A wheel, as docs/installing.md builds it, in an empty folder and beside another package called `datasets`."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from benchmarks.audit.verdicts import OURS, THEIRS
from benchmarks.runner.environment import MEASURING
from benchmarks.scoreboard.scores import RACING
from datasets.certificates.certificate import CODE
from datasets.folders import ROOT
from solvers.common.sources import REWRITTEN, code_hash

GUIDE = ROOT / "docs" / "installing.md"
PLAIN = ("solvers", "datasets", "benchmarks", "reports")
BUILT_FROM = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "constraints.txt")
RESULTS = ("runs", "latest", "peers", "profiles", "honesty")  # folders of reports/
IDENTITIES = (MEASURING, RACING, CODE, OURS, THEIRS)
# What a user's own program may hold: their package, ours, and none of ours under a plain name.
TOGETHER = """
import sys
import datasets
assert datasets.theirs and not hasattr(datasets, "PROBLEMS")
import hessbench.datasets, hessbench.reports.build, hessbench.benchmarks.command.main
assert sys.modules["datasets"] is datasets and hessbench.datasets.breast_cancer().X.shape == (398, 30)
assert not {"solvers", "benchmarks", "reports"} & set(sys.modules)
"""
HASHES = """
import json, sys
from hessbench.solvers.common.sources import code_hash
print(json.dumps([code_hash(tuple(names)) for names in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def setup_file():
    spec = importlib.util.spec_from_file_location("setup_of_hessbench", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REWRITES = {
    "from solvers import SOLVERS\n": "from hessbench.solvers import SOLVERS\n",
    "def f():\n    from datasets.loaders.dataset import (\n        Dataset,\n    )\n": "def f():\n    from hessbench."
    "datasets.loaders.dataset import (\n        Dataset,\n    )\n",
    "é = 1; from reports import build\n": "é = 1; from hessbench.reports import build\n",
    "import datasets\n": "from hessbench import datasets\n",
    "import benchmarks as b\n": "from hessbench import benchmarks as b\n",
    "import solvers.core.minimize as m\n": "from hessbench.solvers.core import minimize as m\n",
    "say = 'run `python -m benchmarks run`'\n": "say = 'run `hessbench run`'\n",
    "say = 'python -m reports build'\n": "say = 'hessbench report build'\n",
    "say = \"pip install -c constraints.txt -e '.[peers]'\"\n": "say = \"pip install 'hessbench[peers]'\"\n",
    # these stay as they are
    "from .solvers import x\n": "",
    "from sklearn import datasets\n": "",
    "import sklearn.datasets\n": "",
    "'from solvers import x'\n": "",
    "from solvers_of_others import x\n": "",
}


@pytest.mark.parametrize("source", REWRITES)
def test_imports_of_ours_and_the_commands_of_messages_are_rewritten(setup_file, source):
    assert setup_file.rewritten(source) == (REWRITES[source] or source)


@pytest.mark.parametrize("source", ["import solvers.core\n", "import os, datasets\n", "from  solvers import x\n"])
def test_what_cannot_be_rewritten_is_refused(setup_file, source):
    with pytest.raises(ValueError, match="line 1"):
        setup_file.rewritten(source)


def test_no_string_of_ours_names_a_module_by_its_plain_name():
    """Such a name would be rewritten by nothing. What asv runs is not in a wheel, and may."""
    for package in PLAIN:
        for path in (ROOT / package).rglob("*.py"):
            if path.parent != ROOT / "benchmarks" and "micro" not in path.parts:
                text = path.read_text()
                for call in ("import_module(", "PackageLoader(", "files(", '"-m", '):
                    for plain in PLAIN:
                        assert f'{call}"{plain}' not in text and f'{call}f"{plain}' not in text, (path, call, plain)


def test_an_edited_source_of_a_wheel_has_an_identity_of_its_own(tmp_path, setup_file):
    source = tmp_path / "solvers" / "one.py"
    source.parent.mkdir()
    source.write_text("from solvers import x\n")
    in_the_checkout = code_hash(("solvers",), root=tmp_path)
    new = setup_file.rewritten(source.read_text())
    table = {setup_file.digest(new.encode()): setup_file.digest(source.read_bytes())}
    source.write_text(new)
    (tmp_path / REWRITTEN).write_text(json.dumps(table))
    assert again(tmp_path) == in_the_checkout
    source.write_text(new + "# edited\n")
    assert again(tmp_path) != in_the_checkout


def again(root: Path) -> str:
    code_hash.cache_clear()
    return code_hash(("solvers",), root=root)


def blocks() -> list[tuple[str, str]]:
    """Language and text of each block of the guide."""
    return [(token.info, token.content) for token in MarkdownIt().parse(GUIDE.read_text()) if token.type == "fence"]


class Installed:
    """A folder with what the guide builds and installs, and a package `datasets` of others."""

    def __init__(self, folder: Path) -> None:
        self.target, self.empty, self.home = (folder / name for name in ("target", "empty", "home"))
        for made in (self.empty, self.home):
            made.mkdir()
        checkout = folder / "checkout"
        for name in (*PLAIN, "hessbench"):
            ignored = shutil.ignore_patterns("__pycache__", *(RESULTS if name == "reports" else ()))
            shutil.copytree(ROOT / name, checkout / name, ignore=ignored)
        for name in BUILT_FROM:
            shutil.copy(ROOT / name, checkout)
        (checkout / "build" / "lib" / "hessbench").mkdir(parents=True)
        (checkout / "build" / "lib" / "hessbench" / "left_by_an_earlier_build.py").write_text("")
        # The guide's own commands, without a network: the libraries are those of this environment.
        pip = {"PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_TARGET": str(self.target)}
        self.shell(blocks()[0][1], cwd=checkout, **pip)
        theirs = self.target / "datasets"
        theirs.mkdir()
        (theirs / "__init__.py").write_text("theirs = True\n")

    def shell(self, script: str, *, cwd: Path | None = None, **variables: str) -> str:
        path = [str(self.target / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        changed = {"PATH": os.pathsep.join(path), "PYTHONPATH": str(self.target), "HOME": str(self.home), **variables}
        known = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "HESSBENCH_LAYOUT"))}
        call = ["bash", "-euc", script]
        done = subprocess.run(call, cwd=cwd or self.empty, env=known | changed, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, program: str, *arguments: str) -> str:
        words = " ".join(f"'{argument}'" for argument in arguments)
        return self.shell(f"python - {words} <<'END'\n{program}\nEND")


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    return Installed(tmp_path_factory.mktemp("wheel"))


@pytest.mark.slow
def test_a_wheel_holds_one_package_with_all_that_it_reads(installed):
    names = {path.name for path in installed.target.iterdir()}
    assert {"hessbench", "bin", "datasets"} <= names and not names & {"solvers", "benchmarks", "reports", "tests"}
    (claimed,) = installed.target.glob("hessbench-*.dist-info/top_level.txt")
    assert claimed.read_text().split() == ["hessbench"]
    inside = installed.target / "hessbench"
    for package in PLAIN:
        for path in (ROOT / package).rglob("*"):
            needed = path.suffix in (".py", ".json", ".html", ".css", ".js") and "micro" not in path.parts
            for_asv = path.parent == ROOT / "benchmarks" and not path.name.startswith("__")
            kept = {"runs", "latest", "peers", "profiles", "honesty", "published"} & set(
                path.relative_to(ROOT).parts[:2]
            )
            if needed and not for_asv and not (package == "reports" and kept):
                assert (inside / path.relative_to(ROOT)).is_file(), path
    assert not (inside / "left_by_an_earlier_build.py").exists() and not (inside / "benchmarks" / "grid.py").exists()


@pytest.mark.slow
def test_the_guide_works_in_an_empty_folder_and_results_are_in_the_users_folder(installed):
    (_, commands), (language, program) = blocks()[1:]
    said = installed.shell(commands)
    assert "newton-cholesky" in said and "hessbench 0." in said
    assert language == "python" and installed.python(program) == "converged\n"
    kept = installed.home / ".local" / "share" / "hessbench"
    assert len(list((kept / "runs").glob("*.parquet"))) == 1 and (kept / "latest" / "index.html").is_file()
    assert list(installed.empty.iterdir()) == []


@pytest.mark.slow
def test_the_other_forms_and_processes_of_its_own_work_too(installed):
    assert "--install-completion" in installed.shell("python -m hessbench --help")
    shown = installed.shell("hessbench run --help")
    assert "Example: hessbench run" in shown and "python -m" not in shown and "~/.local/share/hessbench" in shown
    command = "hessbench run --problem iris --solver newton --repeats 1 --isolate --timeout 100 --store runs"
    assert "done" in installed.shell(command, cwd=installed.home)
    assert "the same bit for bit" in installed.shell("hessbench verify --store runs 2>&1", cwd=installed.home)


@pytest.mark.slow
def test_beside_another_package_called_datasets_neither_breaks_the_other(installed):
    installed.python(TOGETHER)


@pytest.mark.slow
def test_a_wheel_has_the_identities_of_its_checkout(installed):
    expected = [code_hash(names) for names in IDENTITIES]
    assert json.loads(installed.python(HASHES, json.dumps(IDENTITIES))) == expected
