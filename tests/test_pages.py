"""The pages of docs/: what they say happens, and what they list is what there is."""

from __future__ import annotations

import re
import sys
from importlib import import_module

import pytest
import typer

from datasets import PROBLEMS
from hessbench.__main__ import app
from solvers import SOLVERS, Status
from solvers.batches.methods import METHODS
from solvers.objectives.module.losses import CONVEX_FUNCTIONS
from tests.pages import DOCS, apply, blocks, follow, pages, run, write_files

ELSEWHERE = {  # pages whose blocks other tests run: they ask more of them
    "extending.md": "tests/test_extending.py",
    "installing.md": "tests/command_line/test_wheel.py",
    "pull-requests.md": "tests/reports/test_pull_request.py",
    "running.md": "tests/command_line/test_watching.py",
}
FILES = {"audit.md": "tutorials/your-solver-and-data.md"}  # a page that needs the files of another
PUBLIC = ("solvers", "solvers.objectives", "solvers.adapters", "solvers.distributed", "datasets")


def text(name: str) -> str:
    return (DOCS / name).read_text()


RUNNABLE = [
    name
    for name in (str(path.relative_to(DOCS)) for path in pages())
    if name not in ELSEWHERE and any(block.language in ("python", "sh") for block in blocks(text(name)))
]


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNNABLE)
def test_what_a_page_says_happens(name, tmp_path):
    if name in FILES:
        write_files(text(FILES[name]), tmp_path)
    follow(DOCS / name, tmp_path)


@pytest.mark.slow
def test_what_the_readme_does_from_python_works(tmp_path):
    page = tmp_path / "readme.md"
    page.write_text(re.sub("```(sh|text)", "```console", text("../README.md")))
    assert follow(page, tmp_path).startswith("converged f exceeds the minimum")


def test_every_link_of_the_readme_leads_somewhere():
    linked = re.findall(r"\]\(([^)#]+)\)", text("../README.md"))
    assert len(linked) > 20 and not [name for name in linked if not (DOCS.parent / name).exists()]


def test_the_pages_that_are_run_include_the_tutorials():
    tutorials = {str(path.relative_to(DOCS)) for path in (DOCS / "tutorials").iterdir()}
    assert len(tutorials) >= 4 and tutorials <= set(RUNNABLE)


# --- what pages list


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_in_the_reference(module):
    reference = "\n".join(path.read_text() for path in (DOCS / "reference").iterdir()) + text("mathematics/clocks.md")
    missing = {name for name in import_module(module).__all__ if not re.search(rf"\b{name}\b", reference)}
    assert missing <= {"Clock", "COUNTERS", "PHASES", "Fit"}  # types and tuples, which the classes beside them show


def test_every_solver_and_problem_has_its_row():
    assert all(f"| `{name}`" in text("solvers.md") or f", `{name}`" in text("solvers.md") for name in SOLVERS)
    of_a_collection = re.compile("mgh-|nist-|cutest-")
    named = set(re.findall(r"`([^`]+)`", text("problems.md")))
    assert {name for name in PROBLEMS if not of_a_collection.match(name)} <= named


def test_the_layout_names_every_folder_and_no_file_that_is_gone():
    page, root = text("layout.md"), DOCS.parent
    for name in ("solvers", "datasets", "benchmarks", "reports"):
        inside = [path.name for path in (root / name).iterdir() if path.is_dir() and any(path.glob("*.py"))]
        assert inside and not [folder for folder in inside if f"{folder}/" not in page]
    there = {path.name for path in root.rglob("*.py") if ".venv" not in path.parts}
    assert set(re.findall(r"\b\w+\.py\b", page)) <= there


def test_every_status_has_its_row():
    table = text("mathematics/converged.md").split("## Statuses")[1].split("## ")[0]
    assert all(f"`{status}`" in table for status in Status)


def test_the_page_on_commands_names_every_verb():
    found = typer.main.get_command(app)
    verbs = {*found.commands} - {"report", "data"}
    for group in ("report", "data"):
        verbs |= {*found.commands[group].commands}
    table = "".join(line for line in text("command-line.md").splitlines() if "python -m " in line)
    assert verbs <= {word.split()[-1] for word in re.findall(r"`([\w ]+)`", table)}


def test_the_page_on_batches_names_the_solvers_that_have_a_batched_form():
    named = {name for name, solver in SOLVERS.items() if type(solver) in METHODS}
    assert named == {"newton-cholesky", "newton-levenberg", "gradient-descent", "gradient-descent-armijo"}
    assert all(f"`{name}`" in text("batches.md") for name in named)


def test_the_page_on_modules_names_the_losses_that_are_known():
    assert all(f"`{loss.__name__}`" in text("modules.md") for loss in CONVEX_FUNCTIONS)


# --- the reader of the pages

SAYS_SO = """
```python
print("1 run took 3.7 ms")
```

```text
1 run ... 9 s
```
"""


@pytest.mark.parametrize(
    ("page", "wrong"),
    [
        (SAYS_SO, ""),
        (SAYS_SO.replace("1 run ...", "2 runs ..."), "not printed"),
        ("```python\nassert 1 > 2\n```", "^$"),
        ("```sh\npython -m this # exit status 1\n```", "exit status 0"),
        ("```sh\npython -m this # or exit status 1\n```\n\n```text\nBeautiful is better\n```", ""),
        ("```sh\npython -m there_is_no_such_module\n```", "exit status 1"),
        ("```sh\nrm -r .\n```", "what is 'rm'"),
        ("```console\nrm -r .\n```", ""),
    ],
)
def test_a_page_that_says_what_does_not_happen_is_found(page, wrong, monkeypatch):
    monkeypatch.setattr("sys.argv", [])
    monkeypatch.delitem(sys.modules, "this", raising=False)
    if wrong:
        with pytest.raises(AssertionError, match=wrong):
            run(page)
    else:
        run(page)


def test_a_file_is_written_where_its_paragraph_says(tmp_path):
    write_files("Some words, and `a.py`:\n\n```python\nx = 1\n```\n\nOther words:\n\n```python\ny = 2\n```\n", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.py"] and (tmp_path / "a.py").read_text() == "x = 1\n"


def test_a_line_that_no_longer_fits_is_named():
    assert apply("a\nb\nc\n", " b\n+new\n") == "a\nb\nnew\nc\n"
    with pytest.raises(AssertionError, match="not there once"):
        apply("a\nb\nc\nb\n", " b\n+new\n")
