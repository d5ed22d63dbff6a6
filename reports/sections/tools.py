"""What asv and pytest-benchmark measured."""

from __future__ import annotations

from pathlib import Path

import matplotlib.ticker
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmarks.runner.statistics import FEWEST

from ..comparing.commits import commit_places, git_history
from ..comparing.regressions import SAME, UNDECIDED, changes, regressions
from ..data.asv_results import asv_results
from ..data.measurements import Measurements
from ..data.pytest_results import pytest_results
from ..figures import style
from ..page.section import Section, SectionWriter
from ..tables.record import Table
from ..text import left_out, plural, seconds

SERIES = ["host", "machine", "environment", "benchmark", "parameters", "quantity"]  # what one cell of asv is named by
TOOLS = "asv and pytest-benchmark"  # the group of both sections
MAKE_ASV = "asv has measured no commit here: `asv run --record-samples HEAD~5..HEAD` measures six."
MAKE_MICRO = "No micro-benchmarks are saved here: `pytest --benchmark-only --benchmark-autosave` saves some."


def tool_sections(asv: Path, micro: Path, out: Path) -> list[Section]:
    """Both sections, from folders that need not be there; tables and figures go below `out`."""
    saved = pytest_results(micro) if micro.exists() else Measurements(pd.DataFrame())
    return [_commits(asv_results(asv), asv, out), _micro(saved, out)]


def commits(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a commit that asv measured, oldest first: how many cells have a value, failed, or are not available
    there; and the geometric mean of their times as a multiple of the first commit's."""
    times = relative_times(frame)
    rows = []
    for (host, commit, date), cell in frame.groupby(["host", "commit", "date"], sort=False):
        states = cell.drop_duplicates([*SERIES, "status"])["status"].value_counts()
        relative = times[(times["host"] == host) & (times["commit"] == commit)]["relative"]
        rows.append(
            {
                **{"machine": cell["machine"].iloc[0], "commit": commit, "date": date[:10]},
                **{state: int(states.get(state, 0)) for state in ("ok", "failed", "n/a")},
                "time": float(np.exp(np.log(relative).mean())) if len(relative) else np.nan,
            }
        )
    return pd.DataFrame(rows)


def relative_times(frame: pd.DataFrame) -> pd.DataFrame:
    """The medians of times as multiples of what the same cell took at the first commit that has a value there."""
    medians = frame[(frame["quantity"] == "time") & (frame["statistic"] == "median") & (frame["status"] == "ok")]
    first = medians.groupby(SERIES, dropna=False, sort=False)["value"].transform("first")
    return medians.assign(relative=medians["value"] / first)


def changed(compared: pd.DataFrame) -> pd.DataFrame:
    """Each row is a cell that changed between two commits: the ratio of its values, after / before, with its interval.
    All intervals hold together with 95 % confidence. `python -m reports regressions` prints the whole list."""
    columns = ["benchmark", "parameters", "ratio", "low", "high", "verdict", "kind", "against", "commit"]
    return changes(compared)[columns].reset_index(drop=True)


def unchanged(compared: pd.DataFrame) -> str:
    """What can be said where the list of changes is empty: how many comparisons are the same, and how many decide
    nothing."""
    if compared.empty:
        return "No cell has a value at two commits: there is nothing to compare."
    open_ = compared[compared["verdict"] == UNDECIDED]
    few = int((open_["remark"] != "").sum())
    parts = [f"{few} have too few samples ({FEWEST} are needed)"] * (few > 0)
    parts += [f"{len(open_) - few} have intervals that neither show a change nor exclude one"] * (len(open_) > few)
    same = int((compared["verdict"] == SAME).sum())
    rest = f"; {len(open_)} are undecided: {', '.join(parts)}" if len(open_) else ""
    return f"No change was found: of {plural(len(compared), 'comparison')} {same} are the same{rest}."


def draw(frame: pd.DataFrame, axes: Axes) -> None:
    """One line a benchmark: the geometric mean over its cells of the time relative to the first commit."""
    times = relative_times(frame)
    order = list(dict.fromkeys(times["commit"]))
    for name, cells in times.groupby("benchmark", sort=True):
        mean = np.exp(np.log(cells["relative"]).groupby(cells["commit"], sort=False).mean()).reindex(order)
        axes.plot(range(len(order)), mean, marker="o", label=name.rsplit(".", 1)[-1].removeprefix("time_"))
    axes.axhline(1.0, color="0.6", linewidth=1, zorder=0)
    axes.set_xticks(range(len(order)), [commit[:7] for commit in order], rotation=45)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:g}"))
    axes.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    axes.set_xlabel("commit, oldest first")
    axes.set_ylabel("time / time at the first commit")


def _commits(read: Measurements, folder: Path, out: Path) -> Section:
    writer = SectionWriter("commits", "Across commits (asv)", out, group=TOOLS)
    if read.frame.empty:
        return writer.section(f"{MAKE_ASV} {not_shown(read)}".strip())
    history = git_history(folder)
    places = commit_places(read.frame, history)
    frame = read.frame.sort_values("commit", key=lambda names: names.map(places), kind="stable")
    compared = regressions(frame, history=history)
    moved = changed(compared)
    writer.table(COMMITS, commits(frame))
    writer.table(CHANGES, moved, show=len(moved) > 0)
    if frame["commit"].nunique() > 1:
        canvas, axes = style.canvas()
        draw(frame, axes)
        axes.set_title("Times across commits")
        style.legend(canvas, axes.get_legend_handles_labels()[0])
        words = "The geometric mean over the cells of each benchmark, relative to the first commit that has the cell."
        writer.figure("times-across-commits", "Times across commits", canvas, words)
    return writer.section(" ".join(filter(None, ["" if len(moved) else unchanged(compared), not_shown(read)])))


def micro_benchmarks(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a micro-benchmark (pytest-benchmark) as it was saved last: the median time of a call with its
    quartiles, over so many rounds."""
    times = frame[(frame["quantity"] == "time") & (frame["statistic"] == "median")]
    newest = times[times["file"] == times.loc[times["measured"].idxmax(), "file"]]
    return pd.DataFrame(
        {
            "group": newest["group"].fillna("-"),
            "benchmark": newest["benchmark"],
            "median": [seconds(value) for value in newest["value"]],
            "quartiles": [
                f"{seconds(low)} to {seconds(high)}" for low, high in zip(newest["q_25"], newest["q_75"], strict=True)
            ],
            "rounds": newest["samples"],
            "commit": newest["commit"],
        }
    ).sort_values(["group", "benchmark"], ignore_index=True)


def _micro(read: Measurements, out: Path) -> Section:
    writer = SectionWriter("micro", "Micro-benchmarks", out, group=TOOLS)
    if read.frame.empty:
        return writer.section(f"{MAKE_MICRO} {not_shown(read)}".strip())
    writer.table(MICRO, micro_benchmarks(read.frame))
    return writer.section(not_shown(read))


def not_shown(read: Measurements) -> str:
    """What could not be read, and what is of another version."""
    older = {name: f"in {plural(count, 'file')} of another version, or gone" for name, count in read.older.items()}
    return left_out(read.skipped | older)


COMMITS, CHANGES = Table("commits", commits), Table("changes", changed)
MICRO = Table("micro-benchmarks", micro_benchmarks)
