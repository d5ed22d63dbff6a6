"""The committed reference: reports/published/, and what the README quotes from it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from benchmarks.runner.suites import SUITES
from datasets import MNISTTwoView

from .build import build
from .data.repeats import keys
from .data.runs import Runs, tell_apart
from .figures.scaling import SLOPES
from .page.sources import sources
from .page.write import sort_value
from .sections.data import CHECK
from .sections.gpu import NAME as GPU
from .sections.gpu import keep
from .sections.hard_cases import FALSE_ONES, hard_case_sections
from .sections.hard_cases import NAME as HARD_CASES
from .sections.scoreboard import scoreboard_sections
from .tables.claims import PENALISED
from .tables.registry import TABLES as RECORDS
from .tables.scoreboard import RECORDS as SCOREBOARD
from .text import plural

STATED = ("classic", "sizes")  # the suites that `make report` measures
TABLES = ("findings", *(record.name for record in (*RECORDS.values(), SLOPES, CHECK) if record.published))
# From what these commands stored; where there is nothing the published ones stay.
STORED = {
    "honesty": (f"{HARD_CASES}.md", f"{FALSE_ONES}.md"),
    "peers": tuple(
        name
        for threads in ("", "-2-threads")
        for name in (
            *(f"scoreboard{threads}{record.name.removeprefix('scoreboard')}.md" for record in SCOREBOARD),
            f"scoreboard{threads}.svg",
        )
    ),
}
FIGURES = (
    *("breast-cancer--test-loss-time.svg", f"{PENALISED}--gap-time.svg", "iteration-against-n--d30.svg"),
    "two-view-mnist.png",
)
COMPACT = ["solver", "1e-06", "iterations", "status", "runs"]  # the columns of the README's table
FIRST = 8  # of its rows; with them those of the classic comparison, and `auto`
NAMED = ("auto", "gradient-descent", "newton", "newton-diagonal")
MARK = "<!-- published: {} -->\n"
END = "<!-- end -->"


def stated(runs: Runs) -> Runs:
    """Of the runs those of the stated suites, under the labels of the suites; ValueError where some were not made."""
    cases = {case.key: name for name in STATED for case in SUITES[name]()}
    frame = runs.frame[runs.frame["case"].isin(list(cases))] if len(runs.frame) else runs.frame
    measured = set(frame["case"]) if len(frame) else set()
    if missing := sorted({name for key, name in cases.items() if key not in measured}, key=STATED.index):
        raise ValueError(
            f"not all runs of the suite {missing[0]!r} are there: python -m benchmarks run --suite {missing[0]}"
        )
    return replace(runs, frame=tell_apart(frame.assign(label=frame["plain_label"])))


def publish(
    runs: Runs,
    folder: Path,
    readme: Path,
    progress: Callable[[str], None] = lambda name: None,
    verdicts: Path | None = None,
    peers: Path | None = None,
) -> None:
    """Rebuild the reference from the stated suites and quote it in the README: all of it, or nothing is changed.

    verdicts: those of `python -m benchmarks honesty`, from this file; peers: the scoreboard, from this folder. Where
    there is none, what was published before stays.

    ValueError: a suite is not measured, or a mark is missing. DataError: there is no MNIST, which one figure shows.
    """
    runs = stated(runs)
    MNISTTwoView(download=False)  # before the work starts
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".published-") as scratch:
        report, new = Path(scratch) / "report", Path(scratch) / "published"
        build(runs, report, progress)
        new.mkdir()
        for name in TABLES:
            shutil.copy(report / "tables" / f"{name}.md", new)
        for name in FIGURES:
            shutil.copy(report / "figures" / name, new)
        made = {
            "honesty": verdicts is not None and hard_case_sections(verdicts, report)[0].table,
            "peers": peers is not None and scoreboard_sections(peers, report)[0].table,
        }
        for command, names in STORED.items():
            places = (report / "tables", report / "figures") if made[command] else (folder,)
            for path in (place / name for place in places for name in names):
                if path.exists():
                    shutil.copy(path, new)
        keep_gpu(runs.folder, folder / GPU, new / GPU)
        (new / "README.md").write_text(contents(runs, {path.name for path in new.iterdir()}))
        swap(new, folder, readme, quoted(readme.read_text(), new))


def keep_gpu(measured: Path | None, published: Path, target: Path) -> None:
    """What a GPU left beside the runs; where that is nothing, what was published before stays."""
    if (measured is None or not keep(measured, target)) and published.exists():
        shutil.copytree(published, target)


def swap(new: Path, folder: Path, readme: Path, text: str) -> None:
    """Put a new folder in the place of the old and a new text into the README; what fails leaves both as they were."""
    draft, old = new.with_name("README.draft"), new.with_name("old")
    draft.write_text(text)
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
        os.replace(draft, readme)
    except OSError:
        if folder.exists():
            folder.rename(new)
        if old.exists():
            old.rename(folder)
        raise


def contents(runs: Runs, found: Collection[str] = ()) -> str:
    """The contents of the folder, and which runs it is from. found: the names of its files."""
    source = sources(runs).words(keys(runs.frame))
    cases = plural(runs.frame.drop_duplicates(["machine", "case"]).shape[0], "case")
    suites = " and ".join(f"`{name}`" for name in STATED)
    parts = [listed((*(f"{table}.md" for table in TABLES), *FIGURES))]
    for command, names in STORED.items():
        if there := [name for name in names if name in found]:
            words = f"And what `python -m benchmarks {command}` found, at the dates and commits named there:"
            parts.append(f"{words}\n\n{listed(there)}")
    if GPU in found:
        parts.append(
            f"And what `python -m benchmarks gpu` measured, on the machine it names: [{GPU}/]({GPU}/environment.json)\n"
        )
    head = f"# The published reference\n\nMade by `make publish`, not by hand: the suites {suites}, {cases}.\n"
    guide = "What the columns mean is in [docs/reading-the-report.md](../../docs/reading-the-report.md)."
    return f"{head}From {source}. {guide}\n\n" + "\n".join(parts)


def listed(names: Iterable[str]) -> str:
    return "".join(f"- [{name}]({name})\n" for name in names)


def quotes(folder: Path) -> dict[str, str]:
    """What the README quotes from a folder of published tables, by the name of its mark."""
    summary, gaps = (read_table(folder / f"{name}.md") for name in ("summary", "time-to-gap"))
    shared = [name for name in summary if name in gaps and name != "runs"]
    table = summary.merge(gaps.drop(columns="runs"), on=shared)
    table = table[(table["problem"] == PENALISED) & (table["dtype"] == "float64")]
    table = table.sort_values("1e-06", key=lambda times: times.map(sort_value), kind="stable", ignore_index=True)
    some = table[(table.index < FIRST) | table["solver"].isin(NAMED)]
    compact = some[[*(["machine"] if "machine" in table else []), *COMPACT]]
    compact = compact.rename(columns={"1e-06": "time to a gap of 1e-6"}).to_markdown(index=False, disable_numparse=True)
    source = re.sub(r"^From [\d,]+ runs? ", "Measured ", (folder / "summary.md").read_text().splitlines()[-1])
    chosen = (
        f"The {FIRST} fastest of {len(table)} solvers, with `auto` and the three solvers of the original comparison."
    )
    return {"findings": (folder / "findings.md").read_text(), "summary": f"{compact}\n\n{chosen} {source}\n"}


def read_table(path: Path) -> pd.DataFrame:
    """The table of a published Markdown file, as text."""
    lines = [line.strip("| ").split("|") for line in path.read_text().splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line] for line in lines]
    return pd.DataFrame(rows, columns=head)


def quoted(text: str, folder: Path) -> str:
    """A README with everything between its marks as the folder has it; ValueError where a mark is not there once."""
    for name, quote in quotes(folder).items():
        pattern = re.escape(MARK.format(name)) + ".*?" + re.escape(END)
        text, count = re.subn(pattern, lambda _, q=MARK.format(name) + quote + END: q, text, flags=re.DOTALL)
        if count != 1:
            mark = MARK.format(name).strip()
            raise ValueError(f"the README needs {mark!r} and {END!r} once, and has them {count} times")
    return text


def disagreements(text: str, folder: Path) -> list[str]:
    """What a README quotes otherwise than the folder has it, by name, and the published files that are not there."""
    found = [name for name, quote in quotes(folder).items() if f"{MARK.format(name)}{quote}{END}" not in text]
    linked = re.findall(r"\(reports/published/([^)]+)\)", text)
    return found + sorted({name for name in linked if not (folder / name).exists()})
