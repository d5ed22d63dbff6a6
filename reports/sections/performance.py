"""The section of the report that ranks solvers over many problems: profiles, pairs, and whether the ranking holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..data.provenance import Sources, many
from ..data.targets import GAP
from ..figures import style
from ..figures.foremost import chosen, draw_behind
from ..figures.problem import decades
from ..page.page import Section, Shown
from ..page.write import caption, html_table, write_figure, write_table
from ..tables.performance import (
    FEWEST_PROBLEMS,
    Race,
    area,
    open_pairs,
    pairwise,
    races,
    ratios,
    scores,
    shares,
    stability,
)

NAME, TITLE = "performance-profiles", "Which solver is how often how fast"
MORE = (
    f"Profiles need at least {FEWEST_PROBLEMS} problems with a certified f* that all solvers were run on, in float64 "
    "with one thread: `python -m benchmarks run --suite quick --repeats 6` measures them, `make bench` more."
)


def performance_section(frame: pd.DataFrame, out: Path, behind: Sources | None = None) -> Section:
    """Tables and figures below `out`; where there are too few problems, what measures more."""
    found = [race for race in races(frame) if len(race.contests) >= FEWEST_PROBLEMS and len(race.solvers) > 1]
    if not found:
        return Section(NAME, TITLE, "", "", (), MORE)
    several, figures, tables, notes = len(found) > 1, [], "", []
    for number, race in enumerate(found, 1):
        suffix, where = (f"--machine{number}", f"{race.machine}: ") if several else ("", "")
        for make in (scores, pairwise):
            table = make(race)
            stem = ("solver-scores" if make is scores else "pairwise") + suffix
            write_table(table, where + caption(make), out / "tables" / stem, behind)
            first = make is scores and number == 1  # the section shows that caption itself
            words = where if first else where + caption(make)
            tables += (f'<p class="soft">{words}</p>' if words else "") + html_table(table, behind)
        notes.append(where + " ".join(filter(None, [stability(race), open_pairs(race), left_out(race)])))
        for name, title, draw, words in (
            ("performance-profile", "Performance profile", performance_profile, PERFORMANCE),
            ("data-profile", "Data profile", data_profile, DATA),
        ):
            canvas = Figure(figsize=(7.2, style.height(len(best(race)))), layout="constrained")
            axes = canvas.add_subplot()
            draw(race, axes)
            lines = [f"{title}: to a relative gap of {GAP:g}", *([race.machine] if several else [])]
            axes.set_title("\n".join(lines))
            style.legend(canvas, axes.get_legend_handles_labels()[0])
            ran = tuple(run for runs in race.runs.values() for run in runs)
            svg = write_figure(canvas, out / "figures" / f"{name}{suffix}", behind.words(ran) if behind else "")
            source = behind.line(ran) if behind else ""
            figures.append(Shown(f"{name}{suffix}", title, f"{where}{words} {who(race)}", svg, source))
    return Section(NAME, TITLE, caption(scores), tables, figures, " ".join(notes))


PERFORMANCE = (
    "Dolan & More (2002): the share of problems on which a solver reaches the target within tau times the time of the "
    "fastest (medians over the repeats; who gets there in half of its repeats or fewer has an infinite ratio). Left: "
    "how often it is the fastest. Right: how often it gets there at all. Who is second best cannot be read off: that "
    "changes with who takes part, and the table of pairs tells it."
)
DATA = (
    "More & Wild (2009): the share of problems on which a solver reaches the target within a budget that no solver "
    "defines: the time of so many iterations of gradient descent on the same problem, measured on the same machine."
)

GREY = " In colour gradient descent and those with the largest area under the performance profile."


def who(race: Race) -> str:
    """What took part, by name."""
    problems = ", ".join(contest.name for contest in race.contests)
    return (
        f"{len(race.solvers)} solvers ({', '.join(race.solvers)}) on {len(race.contests)} problems ({problems}); "
        "float64, CPU, one thread." + (GREY if len(best(race)) < len(race.solvers) else "")
    )


def best(race: Race) -> list[str]:
    """The labels that are drawn in colour: those with the largest area under the profile."""
    order = np.argsort(-area(ratios(race.times)), kind="stable")
    labels = list(race.solvers)
    return chosen(labels, [labels[k] for k in order])


def left_out(race: Race) -> str:
    """What was measured and takes no part."""
    parts = []
    if race.absent_problems:
        problems = many(len(race.absent_problems), "problem")
        parts.append(f"{problems} that not all of these solvers met ({', '.join(race.absent_problems)})")
    if race.absent_solvers:
        parts.append(f"solvers that met fewer than half of the problems ({', '.join(race.absent_solvers)})")
    return f"Left out: {'; '.join(parts)}." if parts else ""


def performance_profile(race: Race, axes: Axes) -> None:
    _steps(race, ratios(race.times), axes, start=1.0)
    axes.set_xlabel("tau: time / time of the fastest solver on the problem")


def data_profile(race: Race, axes: Axes) -> None:
    there = np.isfinite(race.units)
    budgets = race.times[there] / race.units[there, None]
    finite = budgets[np.isfinite(budgets)]
    _steps(race, budgets, axes, start=0.5 * finite.min() if len(finite) else 1.0)
    missing = "" if there.all() else f" ({(~there).sum()} problems without it are left out)"
    axes.set_xlabel(f"time / time of an iteration of gradient descent{missing}")


def _steps(race: Race, values: np.ndarray, axes: Axes, *, start: float) -> None:
    """One staircase a solver, from `start` to behind the last step."""
    if not len(values):  # no problem was run with what the times are measured by: there is nothing to draw
        return
    finite = values[np.isfinite(values)]
    end = 1.5 * np.max(finite, initial=2 * start)
    front = best(race)
    for order, (label, solver) in enumerate(race.solvers.items()):
        own = values[:, order]
        steps = np.unique(np.concatenate([[start], own[np.isfinite(own)], [end]]))
        if label not in front:
            draw_behind(
                axes, steps, shares(values, steps)[order], len(race.solvers) - len(front), drawstyle="steps-post"
            )
            continue
        colour, marker = style.look(solver)
        # markers side by side: one curve under another still shows
        axes.plot(
            steps, shares(values, steps)[order], style.line(order, solver), drawstyle="steps-post", color=colour,
            marker=marker, mfc=style.face(solver),
            markevery=(0.02 * order, 0.2), label=label,
        )  # fmt: skip
    decades(axes, "x")
    axes.set_xlim(start, end)
    axes.set_ylim(-0.02, 1.04)
    axes.set_ylabel("share of the problems")
