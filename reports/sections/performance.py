"""Solvers ranked over many problems: profiles, pairs, and whether the ranking depends on which take part."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..data.repeats import disturbed_note
from ..data.targets import GAP
from ..figures import style
from ..figures.profiles import best, data_profile, performance_profile
from ..page.section import Section, SectionWriter
from ..page.sources import Sources
from ..tables.performance import FEWEST_PROBLEMS, PAIRS, SCORES, open_pairs, stability
from ..tables.rankings import Ranking, rankings
from ..text import plural

NAME, TITLE = "performance-profiles", "Which solver is fastest on how many problems"
HOW_TO_MEASURE = (
    f"Profiles need at least {FEWEST_PROBLEMS} problems with a certified f* that all solvers were run on, in float64 "
    "with one thread: `python -m benchmarks run --suite quick --repeats 6` measures them, `make bench` more."
)
PERFORMANCE = (
    "The share of problems that a solver solves within tau times the time of the fastest solver (Dolan & Moré 2002). "
    "At tau = 1: how often it is the fastest. At the right end: how often it solves the problem at all."
)
DATA = (
    "The share of problems that a solver solves in the time of so many iterations of gradient descent on the same "
    "problem (Moré & Wild 2009)."
)
GREY = " In colour: gradient descent and the solvers with the largest area under the performance profile."


def performance_section(frame: pd.DataFrame, out: Path, sources: Sources | None = None) -> Section:
    """Tables and figures for each machine; where there are too few problems, what measures more."""
    writer = SectionWriter(NAME, TITLE, out, sources)
    found = [one for one in rankings(frame) if len(one.contests) >= FEWEST_PROBLEMS and len(one.solvers) > 1]
    if not found:
        return writer.section(HOW_TO_MEASURE)
    several, remarks = len(found) > 1, []
    for number, ranking in enumerate(found, 1):
        suffix, where = (f"--machine{number}", f"{ranking.machine}:") if several else ("", "")
        for record in (SCORES, PAIRS):
            table = record.make(ranking)
            seen = [
                name for name in table if name.removeprefix("before ") not in set(ranking.solvers) - set(best(ranking))
            ]
            writer.table(record, table, name=record.name + suffix, before=where, shown=table[seen])
        remarks += [where, stability(ranking), open_pairs(ranking), left_out(ranking)]
        runs = [run for runs in ranking.runs.values() for run in runs]
        disturbed = disturbed_note(frame[frame["run"].isin(set(runs))])
        for name, title, draw, words in (
            ("performance-profile", "Performance profile", performance_profile, PERFORMANCE),
            ("data-profile", "Data profile", data_profile, DATA),
        ):
            canvas, axes = style.canvas(style.height(len(best(ranking))))
            draw(ranking, axes)
            axes.set_title(f"{title}: to a relative gap of {GAP:g}" + f"\n{ranking.machine}" * several)
            style.legend(canvas, axes.get_legend_handles_labels()[0])
            caption = " ".join(filter(None, [where, words, taking_part(ranking), disturbed]))
            writer.figure(name + suffix, title, canvas, caption, runs)
    return writer.section(" ".join(filter(None, remarks)))


def taking_part(ranking: Ranking) -> str:
    """The solvers and problems, by name."""
    problems = ", ".join(contest.name for contest in ranking.contests)
    return (
        f"{len(ranking.solvers)} solvers ({', '.join(ranking.solvers)}) on {len(ranking.contests)} problems "
        f"({problems}); float64, CPU, one thread." + (GREY if len(best(ranking)) < len(ranking.solvers) else "")
    )


def left_out(ranking: Ranking) -> str:
    """What was measured and takes no part."""
    parts = []
    if ranking.other_problems:
        problems = plural(len(ranking.other_problems), "problem")
        parts.append(f"{problems} that not all of these solvers were run on ({', '.join(ranking.other_problems)})")
    if ranking.other_solvers:
        parts.append(f"solvers that were run on fewer than half of the problems ({', '.join(ranking.other_solvers)})")
    return f"Left out: {'; '.join(parts)}." if parts else ""
