"""The scoreboard: our solvers and those of other libraries, as `python -m benchmarks peers` measured them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
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

from ..data.provenance import when
from ..figures import style
from ..figures.problem import plain
from ..page.section import Section, SectionWriter
from ..statistics.estimate import Estimate, show
from ..tables.record import Table
from ..text import distinct, left_out, many, seconds

NAME, TITLE = "scoreboard", "Against other libraries"
MAKE = "No other library was timed here: `make peers` installs some and runs `python -m benchmarks peers`."
FIGURE = (
    "The time of each contender over that of the fastest of ours (median of the rounds), each at its fastest setting "
    "that reaches the gap. Right of the line ours is faster. Our solvers are filled marks, half filled where the "
    "gradient stops them and not the certified gap."
)
VERDICTS = {"won": "ours", "lost": "the peer", "open": "open"}


def best_peers(results: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Each row is a problem: the fastest method of all other libraries, and of scikit-learn, to the same certified gap.
    Ratio: its time over ours [95 % interval]; above 1 ours is faster. Open: the interval holds 1."""
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
    """Each row is one of our solvers or a method of another library on a problem, the fastest first, at its fastest
    setting (layout, precision, tolerance) that reaches a relative gap of 1e-6. The gap is measured in float64 with the
    certified f*; the time is the median [95 % interval] of the rounds."""
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
    """Each row is the fastest of our solvers on a problem: the share of its time that this machine needs at least for
    its arithmetic, for its memory traffic, and for starting its operations. The rest is Python, and functions such as
    sigmoids and logarithms."""
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
    axes.set_xlim(min(low, 0.45), max(high, 2.2))  # a lone cluster of dots near the line still has a scale
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 1e3 else (1.0,)))
    axes.xaxis.set_major_formatter(plain)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(results)), [result["problem"] for result in results])
    axes.set_ylim(len(results) - 0.5, -0.5)
    ours = {reference(result) for result in results} - {None}
    base = ours.pop().removeprefix("hessbench:") if len(ours) == 1 else "the fastest of ours"
    axes.set_xlabel(f"time / time of {base}  (right of the line: slower)")


def _drawn(result: dict[str, Any], score: Score) -> bool:
    """The reference is the line itself."""
    return score.contender != reference(result) and score.ratio.rounds > 0


def scoreboard_sections(folder: Path, out: Path) -> list[Section]:
    """One section a machine and number of threads, from a folder that need not be there."""
    results, skipped = read(folder)
    note = left_out(skipped)
    if not results:
        return [SectionWriter(NAME, TITLE, out).section(f"{MAKE} {note}".strip())]
    cells: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for result in sorted(results, key=lambda result: (result["machine"], result["threads"], result["n"] * result["d"])):
        cells.setdefault((result["machine"], result["threads"]), []).append(result)
    return [
        _section(f"{NAME}-{number}" if len(cells) > 1 else NAME, cell, out, note * (number == 1))
        for number, cell in enumerate(cells.values(), 1)
    ]


def _section(name: str, results: list[dict[str, Any]], out: Path, note: str) -> Section:
    threads = many(results[0]["threads"], "thread")
    writer = SectionWriter(name, f"{TITLE}, {threads}", out)
    for record, part in ((BEST_PEERS, ""), (LIMITS, "-limits"), (CONTENDERS, "-contenders")):
        if len(table := record.make(results)):
            writer.table(record, table, name=name + part, after=provenance(results))
    canvas, axes = style.canvas()
    draw(results, axes)
    title = f"Time to a relative gap of {results[0]['target']:g}, over ours, {threads}"
    axes.set_title(title)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    canvas.set_size_inches(7.2, 1.6 + 0.6 * len(results) + 0.2 * math.ceil(len(unique) / 3))
    style.legend(canvas, [unique[name] for name in sorted(unique, key=lambda name: (":" in name, name))])
    writer.figure(name, title, canvas, FIGURE)
    return writer.section(note)


def provenance(results: list[dict[str, Any]]) -> str:
    """Where, when, of which commit and with which versions."""
    packages = {f"{name} {version}" for result in results for name, version in result["packages"].items()}
    moments = when(pd.DataFrame([{"date": result["date"], "commit": result["commit"]} for result in results]))
    threads = many(results[0]["threads"], "thread")
    return f"Measured on {results[0]['machine']}; {threads}; {moments}; {distinct(packages)}."


def _name(score: Score | None, result: dict[str, Any], prefix: str = "") -> str:
    if score:
        return score.contender
    return "none reaches the gap" if _tried(result, prefix) else "none installed"


def _tried(result: dict[str, Any], prefix: str = "") -> bool:
    """Whether any peer with such a name was there to be timed."""
    peers = [name for name in result["entries"] if not name.startswith("hessbench:") and name.startswith(prefix)]
    return any(result["entries"][name]["status"] != MISSING for name in peers)


def _faster(each: Standing, result: dict[str, Any]) -> str:
    """Which is faster, with the number of rounds where there are too few; a dash where no peer was there."""
    if not _tried(result):
        return "-"
    rounds = each.peer.ratio.rounds if each.peer and each.ours else FEWEST
    few = f" (by the median of {many(rounds, 'round')}: {FEWEST} are needed for an interval)" if rounds < FEWEST else ""
    return VERDICTS[each.verdict] + few


def _ratio(score: Score | None) -> str:
    return score.ratio.times(1) if score else "-"


def _estimate(interval: Interval) -> Estimate:
    return Estimate(interval.median, interval.low, interval.high, interval.rounds, interval.rounds)


BEST_PEERS = Table("scoreboard", best_peers)
LIMITS, CONTENDERS = Table("scoreboard-limits", limits), Table("scoreboard-contenders", contenders)
