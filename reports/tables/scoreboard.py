"""The scoreboard as tables: our solvers and those of other libraries, on each problem."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from benchmarks.runner.statistics import FEWEST, Interval
from benchmarks.scoreboard.scores import Score, reference, scores
from benchmarks.scoreboard.standing import CLOSE, Standing, overall, standing
from benchmarks.scoreboard.timing import MISSING, UNFIT

from ..statistics.estimate import Estimate, show
from ..text import plural, seconds
from .record import Table

VERDICTS = {"won": "ours", "lost": "the peer", "undecided": "undecided"}
OF_METHODS = VERDICTS | {"lost": "the method"}


def best_peers(results: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Each row is a problem: the fastest of all other libraries as their users call them, and of scikit-learn, to the
    same certified gap. Ratio: its time over ours [95 % interval]; above 1 ours is faster. Undecided: it contains 1."""
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
        column: f"{overall(standings, other).mean:.3g}"
        for column, other in (("ratio", "peer"), ("its ratio", "scikit_learn"))
    }
    return pd.DataFrame([*rows, {"problem": "geometric mean"} | means]).fillna("")


def best_methods(results: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Each row is a problem: the fastest method of another library that was given our objective, and with it our
    kernels. The ratio then compares methods alone: its time over ours [95 % interval]; above 1 ours is faster."""
    results = list(results)
    standings = [standing(result) for result in results]
    rows = [
        {
            "problem": each.problem,
            "ours": each.ours or "none reaches the gap",
            "best method on our objective": _name(each.method, result, on_ours=True),
            "ratio": _ratio(each.method),
            "faster": _faster(each, result, on_ours=True),
        }
        for each, result in zip(standings, results, strict=True)
    ]
    mean = {"problem": "geometric mean", "ratio": f"{overall(standings, 'method').mean:.3g}"}
    return pd.DataFrame([*rows, mean]).fillna("")


def over_all(results: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Each row compares the fastest of ours with one kind of contender over all problems. Ratio: its time over ours;
    above 1 ours is faster. A problem where only one side reaches the gap is won or lost, and has no ratio."""
    standings = [standing(result) for result in results]
    rows = []
    for words, other in (
        ("the best library as its user calls it", "peer"),
        ("the best of scikit-learn", "scikit_learn"),
        ("the best method on our objective", "method"),
    ):
        found = overall(standings, other)
        rows.append(
            {
                "ours against": words,
                "problems": found.problems,
                "with a ratio": found.ratios,
                "geometric mean": f"{found.mean:.3g}" if found.ratios else "-",
                "worst": f"{found.worst:.3g} ({found.worst_problem})" if found.ratios else "-",
                f"below {CLOSE}": found.close,
                "won": found.won,
                "lost": found.lost,
                "undecided": found.undecided,
            }
        )
    return pd.DataFrame(rows)


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
        if "error" in found:
            rows.append({"problem": result["problem"], "ours": reference(result), "run": found["error"]})
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
    return pd.DataFrame(rows).fillna("-")


def _name(score: Score | None, result: dict[str, Any], prefix: str = "", on_ours: bool = False) -> str:
    if score:
        return score.contender
    return "none reaches the gap" if _tried(result, prefix, on_ours) else "none that fits it is installed"


def _tried(result: dict[str, Any], prefix: str = "", on_ours: bool = False) -> bool:
    """Whether any contender of this kind and with such a name was there to be timed."""
    names = [name for name in result["entries"] if not name.startswith("hessbench:") and name.startswith(prefix)]
    kind = [name for name in names if (name in result["on_our_objective"]) == on_ours]
    return any(result["entries"][name]["status"] not in (MISSING, UNFIT) for name in kind)


def _faster(each: Standing, result: dict[str, Any], on_ours: bool = False) -> str:
    """Which is faster, with the number of rounds where there are too few; a dash where no such contender was there."""
    if not _tried(result, on_ours=on_ours):
        return "-"
    other = each.method if on_ours else each.peer
    rounds = other.ratio.rounds if other and each.ours else FEWEST
    few = (
        f" (by the median of {plural(rounds, 'round')}: {FEWEST} are needed for an interval)" if rounds < FEWEST else ""
    )
    return (OF_METHODS if on_ours else VERDICTS)[each.against(other)] + few


def _ratio(score: Score | None) -> str:
    return score.ratio.times(1) if score else "-"


def _estimate(interval: Interval) -> Estimate:
    return Estimate(interval.median, interval.low, interval.high, interval.rounds, interval.rounds)


BEST_PEERS, OVER_ALL = Table("scoreboard", best_peers), Table("scoreboard-over-all", over_all)
BEST_METHODS = Table("scoreboard-methods", best_methods)
LIMITS, CONTENDERS = Table("scoreboard-limits", limits), Table("scoreboard-contenders", contenders)
RECORDS = (BEST_PEERS, OVER_ALL, BEST_METHODS, LIMITS, CONTENDERS)  # in the order of the page
