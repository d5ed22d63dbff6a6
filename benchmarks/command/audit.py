"""The verb `audit`: one page on a solver, a peer or an optimiser, of ours, of torch or of a user's own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.audit.asking import ask_all
from benchmarks.audit.cases import QUICK, cases
from benchmarks.audit.examine import Outcome, descent, device, functions, promises, repeats, units
from benchmarks.audit.judge import CONTENDERS, FALSE, OVER_TIME, RAISED, SOLVED, UNABLE
from benchmarks.audit.verdicts import Verdicts
from benchmarks.command.terminal.errors import fail
from benchmarks.command.terminal.progress import progress_bar
from benchmarks.runner.contenders import OURS
from datasets import plugins
from datasets.plugins import PluginError
from solvers.adapters import PEERS
from solvers.common.names import STEPPED

WIDTH = 150
PARTS = {
    "claims": "Are its reports of convergence true, on hard problems whose minimum is known to 80 digits?",
    "promises": "Does it keep what every solver of ours promises?",
    "descent": "Does it raise f?",
    "units": "Does it depend on the units of the data?",
    "device": "What would it do on a GPU?",
    "repeats": "Do two runs give the same bits?",
    "functions": "How does it do on test functions, which need not be convex?",
}
SUFFIXES = (".html", ".txt", ".json")


def audit(subject: list[str], part: list[str], seconds: float, quick: bool, out: Path | None, store: Path) -> None:
    """Examine each subject and print its page; exit 1 if it failed something."""
    try:
        names = [name for each in subject for name in subjects(each)]
        if unknown := next((each for each in part if each not in PARTS), None):
            raise ValueError(f"--part must be one of {', '.join(PARTS)}, found {unknown!r}")
        if not 0 < seconds < math.inf:
            raise ValueError(f"--time-limit must be a positive number of seconds, found {seconds}")
        if out is not None and out.suffix not in SUFFIXES:
            raise ValueError(f"--out must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, found {str(out)!r}")
        verdicts = Verdicts(store)
    except (ValueError, PluginError) as error:
        fail(str(error))
    torch.set_num_threads(1)  # all problems are small
    wanted = part or list(PARTS)
    pages: dict[str, dict[str, Any]] = {}
    console = Console(width=WIDTH, record=True)
    try:
        for name in names:
            pages[name] = examined(name, wanted, seconds, quick, verdicts)
            show(name, pages[name], console)
    except KeyboardInterrupt:
        typer.echo("interrupted: what is printed is complete; verdicts on hard problems are stored", err=True)
        raise typer.Exit(130) from None
    except OSError as error:
        fail(f"verdicts cannot be stored in {str(store)!r} ({error.strerror}): name another file with --store")
    if out is not None:
        try:
            write(out, pages, console)
        except OSError as error:
            fail(f"the page cannot be written to {str(out)!r} ({error.strerror}): name another file with --out")
    if any(finding.passed is False for page in pages.values() for finding in page["findings"]):
        raise typer.Exit(1)


def subjects(each: str) -> list[str]:
    """The contenders that a file of plug-ins holds, or that a name stands for. Raises ValueError or PluginError."""
    path = Path(each)
    if path.suffix == ".py" or path.is_file():
        plugins.load([path])
        found = [OURS + name for name in plugins.names_in([path], "solver")] + plugins.names_in([path], "peer")
        if not found:
            raise ValueError(f"{path.name} has no SOLVERS and no PEERS: there is nothing to audit")
        return found
    named = each if each in PEERS or each.startswith(OURS) else OURS + each
    try:
        return CONTENDERS.known([named], "solver")
    except ValueError as error:
        if each.startswith(STEPPED):
            raise
        raise ValueError(f"{error}; a file of your own ends in .py") from None


def examined(name: str, wanted: list[str], seconds: float, quick: bool, verdicts: Verdicts) -> dict[str, Any]:
    """The findings on a contender, with a row for each hard problem that it failed and each test function."""
    with progress_bar() as progress:
        task = progress.add_task("", total=None)
        return _examined(name, wanted, seconds, quick, verdicts, lambda words: progress.update(task, description=words))


def _examined(
    name: str, wanted: list[str], seconds: float, quick: bool, verdicts: Verdicts, step: Callable[[str], None]
) -> dict[str, Any]:
    page: dict[str, Any] = {"findings": [], "hard problems": [], "test functions": []}
    parts = {"promises": promises, "descent": descent, "units": units, "device": device, "repeats": repeats}
    for part in wanted:
        step(f"{part}: {name}")
        if part == "claims":
            every = cases()
            asked = [(every[case], dtype) for case in (QUICK if quick else every) for dtype in every[case].dtypes]
            ask_all([name], asked, seconds, False, verdicts, step)
            found = pd.DataFrame([verdicts.rows[name, case.name, dtype] for case, dtype in asked])
            page["findings"] += claims(found)
            bad = found[found["verdict"].isin([FALSE, RAISED, OVER_TIME])]
            columns = ["case", "model", "dtype", "kind", "verdict", "gap", "optimum", "status", "message"]
            page["hard problems"] = bad[columns].to_dict("records")
        elif part == "functions":
            findings, page["test functions"] = functions(name, seconds, step)
            page["findings"] += findings
        else:
            page["findings"] += parts[part](name, seconds)
    return page


def claims(found: pd.DataFrame) -> list[Outcome]:
    """How many reports of convergence were made, and how many of them are false."""
    asked = found[found["verdict"] != UNABLE]
    if asked.empty:
        return [Outcome("claims", "hard problems", None, "-", found["message"].iloc[0])]
    without = asked[~asked["minimiser"].astype(bool)]
    false = asked[asked["verdict"] == FALSE]
    there = false["minimiser"].astype(bool)
    solved = asked[asked["minimiser"].astype(bool)]
    raised = int((asked["verdict"] == RAISED).sum())
    names = ", ".join(dict.fromkeys(false["case"]))
    return [
        Outcome(
            "claims",
            f"false reports where the minimum was not reached, of {len(solved)} problems that have one",
            not there.any(),
            str(int(there.sum())),
        ),
        Outcome(
            "claims",
            f"false reports on {len(without)} problems without a minimum",
            bool(there.all()),
            str(int((~there).sum())),
            names,
        ),
        Outcome("claims", "problems solved and reported", None, f"{int((solved['verdict'] == SOLVED).sum())}"),
        Outcome("claims", "runs that raised", raised == 0, str(raised)),
        Outcome("claims", "runs over time", None, str(int((asked["verdict"] == OVER_TIME).sum()))),
    ]


def show(name: str, page: dict[str, Any], console: Console) -> None:
    """The page of a contender: a table a part, then the problems that it failed."""
    failed = sum(finding.passed is False for finding in page["findings"])
    console.rule(f"[bold]{name}[/bold]: " + (f"{failed} tests failed" if failed else "no test failed"))
    for part, question in PARTS.items():
        findings = [finding for finding in page["findings"] if finding.part == part]
        if findings:
            table = Table("", "", "", "", title=question, title_justify="left", box=SIMPLE, show_header=False)
            for finding in findings:
                table.add_row(*cells(finding), style="bold" if finding.passed is False else None)
            console.print(table)
    for title, keys in (("hard problems", ("case", "dtype", "verdict", "gap", "status")), ("test functions", None)):
        rows = page[title]
        if title == "test functions":
            rows = [row for row in rows if row["end"] not in ("minimum", "local minimum", "cannot express")]
            keys = ("function", "end", "status", "iterations", "gap")
        if rows:
            table = Table(*keys, title=f"The {title} that it failed", title_justify="left", box=SIMPLE)
            for row in rows:
                table.add_row(*(number(row.get(key)) for key in keys))
            console.print(table)


def cells(finding: Outcome) -> Iterator[str]:
    yield {True: "passed", False: "FAILED", None: ""}[finding.passed]
    yield from (finding.question, finding.number, finding.detail)


def number(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else "" if value is None else str(value)


def write(out: Path, pages: dict[str, dict[str, Any]], console: Console) -> None:
    """The page as HTML or as text as it was printed, or all of its numbers as JSON."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".html":
        console.save_html(str(out))
    elif out.suffix == ".txt":
        console.save_text(str(out))
    else:
        plain = {
            name: page | {"findings": [asdict(finding) for finding in page["findings"]]} for name, page in pages.items()
        }
        out.write_text(json.dumps(plain, indent=1, default=str) + "\n")
