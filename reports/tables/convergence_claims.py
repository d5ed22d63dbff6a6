"""Whether `converged` was true, run by run, by the certified gap."""

from __future__ import annotations

import pandas as pd

from solvers.core.stopping import allowed_gap

from ..data.repeats import groups, keys, last_rows, without_constant
from ..data.targets import NO_MINIMISER

SLACK = 2.0  # the decrement, which a run tests, is the gap to second order only
UNIT = {"float32": 2.0**-23, "float64": 2.0**-52}  # the rounding unit of a dtype
COLUMNS = ["machine", "solver", "dtype"]


def judged(frame: pd.DataFrame) -> pd.DataFrame:
    """The end of each run with what its rules allow: the largest gap (`allowed`), how far the gap is known
    (`uncertain`), and whether the run lies `within` or `beyond` it; neither where that is not known.

    allowed = max(gap tolerance, 4 eps) |f| + eps^2 |f(x0)|, the test of `solvers.Stop`, with eps of the run's dtype.
    uncertain: half the width of the certificate, and the rounding of f in float64.
    """
    frame = frame.sort_values("iteration", kind="stable")
    last = last_rows(frame).set_index("run", drop=False)
    start = frame.groupby("run")["value"].first()
    tolerance = last["rules"].str.extract(r"\bgap ([0-9.e+-]+)")[0].astype(float)  # NaN: no such test
    eps = last["dtype"].map(UNIT)
    numbers = zip(tolerance, last["value"], start[last.index], eps, strict=True)
    allowed = pd.Series([allowed_gap(*each) for each in numbers], last.index, dtype=float)
    uncertain = last["optimum_error"] + UNIT["float64"] * last["value"].abs()
    elsewhere = last["local_minimum"].notna() if "local_minimum" in last else False  # older runs do not say
    open_to_judgement = (last["no_gap"] == "") & tolerance.notna() & ~pd.Series(elsewhere, last.index)
    open_to_judgement &= last["optimum_error"].notna() & eps.notna()  # else it is not known how near is near enough
    small = last["gap"] - uncertain <= SLACK * allowed  # False for a gap that is NaN: such a point is no minimiser
    none = last["no_gap"] == NO_MINIMISER
    return last.assign(
        allowed=allowed,
        uncertain=uncertain,
        beyond=(open_to_judgement & ~small) | none,
        within=open_to_judgement & (last["gap"] + uncertain <= allowed),
        judged=open_to_judgement | none,
    )


def convergence_claims(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a solver: how many of its runs reported convergence, and how often that was true by the certified gap
    f - f*. False: the gap is more than twice the tolerance, or there is no minimiser. Unclaimed: the gap was within
    the tolerance, and no convergence was reported."""
    rows = []
    for about, cell in groups(judged(frame) if len(frame) else frame, COLUMNS, sort=True):
        converged = cell[cell["status"] == "converged"]
        checked, false = converged[converged["judged"]], converged[converged["beyond"]]
        counts = {
            "total": len(cell),
            "converged": len(converged),
            "true": int((~checked["beyond"]).sum()),
            "false": len(false),
            "not judged": len(converged) - len(checked),
            "worst gap / tolerance": float((checked["gap"] / checked["allowed"]).max()),
            "unclaimed": int((cell["within"] & (cell["status"] != "converged")).sum()),
        }
        rows.append(about | counts | {"false runs": named(false), "runs": keys(cell)})
    return without_constant(pd.DataFrame(rows), "machine")


def named(runs: pd.DataFrame) -> str:
    """iris: 0f3a..., 77b2...; wine: 1d05...: problems and run keys; a dash for none."""
    words = [f"{problem}: {', '.join(sorted(cell['run']))}" for problem, cell in runs.groupby("problem", sort=True)]
    return "; ".join(words) or "-"
