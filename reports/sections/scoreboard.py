"""The scoreboard: our solvers beside those of other libraries, as `python -m benchmarks peers` measured them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from benchmarks.runner.statistics import FEWEST, Interval
from benchmarks.scoreboard.contenders import BY_GRADIENT
from benchmarks.scoreboard.race import MISSING
from benchmarks.scoreboard.scores import (
    Score,
    Standing,
    geometric_mean,
    read,
    reference,
    scores,
    standing,
)

from ..data.provenance import distinct, many, when
from ..data.statistics import Estimate, seconds, show
from ..figures import style
from ..figures.problem import plain
from ..page.page import Section, Shown
from ..page.write import caption, html_table, write_figure, write_table

NAME, TITLE = "scoreboard", "Beside other libraries"
MAKE = "no other library has been timed here: `make peers` installs them and runs `python -m benchmarks peers`"
FIGURE = (
    "The time of each contender over ours in the same round (the median of the rounds), each at its fastest setting "
    "that reaches the gap. Right of the line ours is faster. Who does not reach it is in the table alone. Ours are "
    "filled, and half filled where the gradient stops them and not the certified gap."
)
VERDICTS = {"won": "ours", "lost": "the peer", "open": "open"}


def best_peers(results: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """The fastest of all peers, and of scikit-learn, on each problem: its time over ours to the same gap, with the 95 %
    bootstrap interval of the pairs of one round (from six rounds on). Above 1 ours is faster; open: the interval holds
    1. Below: geometric means over the problems that have such a ratio."""
    results = list(results)
    standings = [standing(result) for result in results]
    rows = [
        {
            "problem": each.problem,
            "ours": each.ours or "none reaches the gap",
            "best peer": _name(each.peer, result),
            "ratio": _ratio(each.peer),
            "faster": _faster(each, result),
            "best of scikit-learn": _name(each.scikit_learn, result, "scikit-learn:"),
            "its ratio": _ratio(each.scikit_learn),
        }
        for each, result in zip(standings, results, strict=True)
    ]
    means = {
        column: f"{geometric_mean(row.ratio.median for row in best if row):.3g}"
        for column, best in (
            ("ratio", [each.peer for each in standings]),
            ("its ratio", [each.scikit_learn for each in standings]),
        )
    }
    return pd.DataFrame([*rows, {"problem": "geometric mean"} | means]).fillna("")


def contenders(results: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Every contender on every problem, the fastest first. Each had its tolerance swept, in float64 and float32 where
    it takes both, and in dense and CSR layout where most of X is 0; here is its fastest setting (layout, precision,
    tolerance) that reaches a relative gap (f - f*) / (f0 - f*) of 1e-6, measured in float64 with the certified f*,
    whatever it claims. The data is in the layout it likes before the clock starts; checks of the input are on it. The
    median of the rounds, in which all take turns."""
    rows = []
    for result in results:
        size = f"{result['n']:,} x {result['d']:,} ({result['density']:.0%})"
        for score in scores(result):
            rows.append(
                {
                    "problem": result["problem"],
                    "n x d (not zero)": size,
                    "contender": score.contender,
                    "setting": score.message or score.setting,
                    "gap": "-" if score.message else f"{score.gap:.1e}",
                    "iterations": "-" if score.iterations is None else str(score.iterations),
                    "time": "-" if score.message else show(_estimate(score.seconds)),
                    "theirs / ours": score.ratio.times(1),
                }
            )
    return pd.DataFrame(rows)


def limits(results: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """What bounds the fastest of ours: the share of the time of its run, without the construction of the objective,
    that its arithmetic would take at the rates of this machine, its reading and writing at the bandwidth, and its
    tensor operations if each took as long as the smallest. They may be done at the same time. What none of them
    explains is Python between the operations, functions number by number (sigmoids, logarithms), and kernels below
    those rates."""
    rows = []
    for result in results:
        if not (found := result.get("limits")):
            continue
        shares = {name: needed / found["seconds"] for name, needed in found["bounds"].items()}
        longest = max(found["phases"], key=found["phases"].__getitem__)
        rows.append(
            {
                "problem": result["problem"],
                "ours": reference(result),
                "run": seconds(found["seconds"]),
                "arithmetic": f"{shares['compute']:.0%}",
                "memory": f"{shares['bandwidth']:.0%}",
                "operations": f"{found['operations']}: {shares['latency']:.0%}",
                "longest phase": f"{longest}: {found['phases'][longest] / found['instrumented']:.0%}",
            }
        )
    return pd.DataFrame(rows)


def draw(results: Iterable[dict[str, Any]], axes: Axes) -> None:
    """One line a problem, one dot a contender: its time over ours. Solvers of ours are filled, as everywhere; where the
    gradient stops them, half."""
    results = list(results)
    order = sorted({score.contender for result in results for score in scores(result) if _drawn(result, score)})
    for place, result in enumerate(results):
        for score in sorted(scores(result), key=lambda score: score.contender):
            if not _drawn(result, score):
                continue
            name = score.contender.removeprefix("hessbench:")
            solver = name.removesuffix(BY_GRADIENT)
            colour, marker = style.look(solver)
            half = {"fillstyle": "left", "markerfacecoloralt": "white"} if solver != name else {}
            shift = 0.6 * (order.index(score.contender) / max(len(order) - 1, 1) - 0.5)  # dots side by side
            kind = {"color": colour, "marker": marker, "markerfacecolor": style.face(solver), "linestyle": "none"}
            axes.plot(score.ratio.median, place + shift, label=name, **kind, **half)
    axes.axvline(1.0, color="0.4", linewidth=1, zorder=0)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.45), max(high, 2.2))  # a lone cluster of dots beside the line still has a scale
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 1e3 else (1.0,)))
    axes.xaxis.set_major_formatter(plain)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(results)), [result["problem"] for result in results])
    axes.set_ylim(len(results) - 0.5, -0.5)
    ours = {reference(result) for result in results} - {None}
    whose = ours.pop().removeprefix("hessbench:") if len(ours) == 1 else "the fastest of ours"
    axes.set_xlabel(f"time / time of {whose}  (right of the line: slower)")


def _drawn(result: dict[str, Any], score: Score) -> bool:
    """The reference is the line itself."""
    return score.contender != reference(result) and score.ratio.rounds > 0


def scoreboard_sections(folder: Path, out: Path) -> list[Section]:
    """One section a machine and number of threads, from a folder that need not be there; files go below `out`."""
    results, skipped = read(folder)
    left_out = " Left out: " + "; ".join(f"{name} ({why})" for name, why in skipped.items()) + "." if skipped else ""
    if not results:
        return [Section(NAME, TITLE, "", "", (), MAKE + left_out)]
    cells: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for result in sorted(results, key=lambda result: (result["machine"], result["threads"], result["n"] * result["d"])):
        cells.setdefault((result["machine"], result["threads"]), []).append(result)
    return [
        _section(f"{NAME}-{number}" if len(cells) > 1 else NAME, cell, out, left_out * (number == 1))
        for number, cell in enumerate(cells.values(), 1)
    ]


def _section(name: str, results: list[dict[str, Any]], out: Path, note: str) -> Section:
    best, every = best_peers(results), contenders(results)
    behind = provenance(results)
    write_table(best, f"{caption(best_peers)} {behind}", out / "tables" / name)
    write_table(every, f"{caption(contenders)} {behind}", out / "tables" / f"{name}-contenders")
    canvas = Figure(layout="constrained")
    axes = canvas.add_subplot()
    draw(results, axes)
    title = f"Time to a relative gap of {results[0]['target']:g}, over ours, {_threads(results)}"
    axes.set_title(title)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    canvas.set_size_inches(7.2, 1.6 + 0.6 * len(results) + 0.2 * math.ceil(len(unique) / 3))
    if unique:
        style.legend(canvas, [unique[name] for name in sorted(unique, key=lambda name: (":" in name, name))])
    figure = Shown(name, title, FIGURE, write_figure(canvas, out / "figures" / name))
    tables = html_table(best)
    if len(bounds := limits(results)):
        write_table(bounds, f"{caption(limits)} {behind}", out / "tables" / f"{name}-limits")
        tables += f'<p class="soft">{caption(limits)}</p>' + html_table(bounds)
    tables += f'<p class="soft">{caption(contenders)}</p>' + html_table(every)
    heading = f"{TITLE}, {_threads(results)}"
    return Section(name, heading, f"{caption(best_peers)} {behind}", tables, [figure], note.strip())


def provenance(results: list[dict[str, Any]]) -> str:
    """Where, when, of which commit and with which versions."""
    packages = {f"{name} {version}" for result in results for name, version in result["packages"].items()}
    moments = when(pd.DataFrame([{"date": result["date"], "commit": result["commit"]} for result in results]))
    return f"Measured on {results[0]['machine']}; {_threads(results)}; {moments}; {distinct(packages)}."


def _threads(results: list[dict[str, Any]]) -> str:
    threads = results[0]["threads"]
    return f"{threads} thread{'s' * (threads > 1)}"


def _name(score: Score | None, result: dict[str, Any], whose: str = "") -> str:
    if score:
        return score.contender
    return "none reaches the gap" if _tried(result, whose) else "none installed"


def _tried(result: dict[str, Any], whose: str = "") -> bool:
    """Whether any peer with such a name was there to be timed."""
    peers = [name for name in result["entries"] if not name.startswith("hessbench:") and name.startswith(whose)]
    return any(result["entries"][name]["status"] != MISSING for name in peers)


def _faster(each: Standing, result: dict[str, Any]) -> str:
    """Who is; of few rounds it says that there are few, and where no peer was there nobody is."""
    if not _tried(result):
        return "-"
    rounds = each.peer.ratio.rounds if each.peer and each.ours else FEWEST
    few = f" (by the median of {many(rounds, 'round')}: {FEWEST} are needed for an interval)" if rounds < FEWEST else ""
    return VERDICTS[each.verdict] + few


def _ratio(score: Score | None) -> str:
    return score.ratio.times(1) if score else "-"


def _estimate(interval: Interval) -> Estimate:
    return Estimate(interval.median, interval.low, interval.high, interval.rounds, interval.rounds)
