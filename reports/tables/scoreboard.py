"""The scoreboard as tables: our solvers and those of other libraries, on each problem."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from benchmarks.runner.statistics import FEWEST, Interval
from benchmarks.scoreboard.scores import Score, Standing, geometric_mean, reference, scores, standing
from benchmarks.scoreboard.timing import MISSING

from ..statistics.estimate import Estimate, show
from ..text import plural, seconds
from .record import Table

VERDICTS = {"won": "ours", "lost": "the peer", "undecided": "undecided"}


def best_peers(results: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Each row is a problem: the fastest method of all other libraries, and of scikit-learn, to the same certified gap.
    Ratio: its time over ours [95 % interval]; above 1 ours is faster. Undecided: the interval contains 1."""
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
    few = (
        f" (by the median of {plural(rounds, 'round')}: {FEWEST} are needed for an interval)" if rounds < FEWEST else ""
    )
    return VERDICTS[each.verdict] + few


def _ratio(score: Score | None) -> str:
    return score.ratio.times(1) if score else "-"


def _estimate(interval: Interval) -> Estimate:
    return Estimate(interval.median, interval.low, interval.high, interval.rounds, interval.rounds)


BEST_PEERS = Table("scoreboard", best_peers)
LIMITS, CONTENDERS = Table("scoreboard-limits", limits), Table("scoreboard-contenders", contenders)
