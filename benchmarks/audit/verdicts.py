"""The verdicts in one Parquet file, a row for each contender, case and precision; and the table read from them."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.folders import RESULTS
from solvers.common.names import STEPPED
from solvers.common.sources import code_hash

from ..runner.contenders import OURS as OWN
from ..runner.contenders import versions
from ..runner.environment import builds, machine, provenance
from ..scoreboard.scores import PACKAGES, _installed
from ..store.parquet import SCHEMA, read_table, write_table
from .case import LOGISTIC, Case
from .judge import FALSE, MISSED, MISSING, NAMED, OVER_TIME, RAISED, SILENT, SOLVED, UNABLE, UNCLAIMED

if TYPE_CHECKING:
    import pandas as pd

DEFAULT = RESULTS / "honesty" / "verdicts.parquet"
COUNTED = (SOLVED, UNCLAIMED, MISSED, FALSE, RAISED, OVER_TIME)  # on problems with a finite optimum
FALSE_THERE = "false (no minimiser)"  # a column of the table: on problems without a minimiser
SHOWN = {  # verdicts as the table shows them, where that differs from what is stored
    UNCLAIMED: "solved, not reported",
    MISSED: "not solved",
    NAMED: "separation reported",
    SILENT: "nothing reported",
}
KEY = ["contender", "case", "dtype"]
TELLS_APART = ["contender", "model", "dtype"]  # the rows of a table
JUDGE = (
    *(f"benchmarks/audit/{name}.py" for name in ("judge", "case", "reference")),
    "datasets/certificates/separation.py",
)
OURS = (*JUDGE, "solvers")  # without the adapters
THEIRS = (
    *JUDGE,
    *("solvers/objectives", "solvers/common", "solvers/linalg", "solvers/adapters", "benchmarks/runner/deadline.py"),
)


@cache
def _code(ours: bool, adapters: bool = False) -> list[Any]:
    """The hash of the sources, the versions of the packages and the build of torch."""
    without = () if adapters else ("solvers/adapters",)
    sources = code_hash(OURS, without=without) if ours else code_hash(THEIRS)
    packages = ("mpmath",) if ours else (*PACKAGES, "mpmath")
    return [sources, {name: _installed(name) for name in packages}, builds()]


def identity(contender: str, case: Case, seconds: float) -> str:
    """The hash of what must be the same for a verdict not to be asked for again.

    The case, the time limit, the machine, the code that judges and builds the problem; and of ours all of `solvers/`
    but the adapters, of theirs the adapters and the versions of all libraries. A peer is not asked again for a change
    of our solvers, nor is anyone for one of the rest of the suite.
    """
    code = _code(contender.startswith(OWN), adapters=contender.startswith(OWN + STEPPED))
    parts = [code, machine("cpu"), case.checksum, f"{seconds:g}", *versions([contender]).values()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


class Verdicts:
    """The rows of a file, which is always written as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = {tuple(row[part] for part in KEY): row for row in read(path).to_dict("records")}

    def known(self, contender: str, case: str, dtype: str, identity: str) -> bool:
        row = self.rows.get((contender, case, dtype))
        return row is not None and row["identity"] == identity

    def add(self, row: dict[str, Any], identity: str) -> None:
        self.rows[tuple(row[part] for part in KEY)] = row | {"identity": identity} | provenance()

    def write(self) -> None:
        import pandas as pd
        import pyarrow as pa

        table = pa.Table.from_pandas(pd.DataFrame(list(self.rows.values())), preserve_index=False)
        write_table(self.path, table, {"schema": SCHEMA})


def read(path: Path) -> pd.DataFrame:
    """The rows of a file; none where it is not there. Rows without a model are of logistic regression, which was the
    only one once. ValueError where the file is not whole, for what is written next would take its place."""
    import pandas as pd

    if not path.exists():
        return pd.DataFrame()
    try:
        frame = read_table(path).to_pandas()
        if absent := {*KEY, "verdict", "minimiser", "identity"} - set(frame):
            raise ValueError(f"it has no column {min(absent)!r}")
    except (OSError, ValueError) as error:  # pyarrow's errors are both
        why = str(error).splitlines()[0]
        raise ValueError(f"{path.name} is damaged, or holds no verdicts ({why}): move it away") from None
    return frame.assign(model=frame["model"].fillna(LOGISTIC) if "model" in frame else LOGISTIC)


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a solver on the hard problems of a model, in a precision; f* is known to 80 digits. `cases`: problems
    with a minimiser that the solver can express. Solved: f* is reached, and convergence reported. Not solved: f* is not
    reached, and no false report was made. False: convergence is reported where f* is not reached, or a separation where
    a minimiser exists. Raised: the fit ended in an error. Over time: it took longer than the limit. `no minimiser`:
    further problems, which have none. Bounds: `benchmarks/audit/judge.py`."""
    import pandas as pd

    rows = []
    for (contender, model, dtype), cell in frame.groupby(TELLS_APART, sort=False) if len(frame) else ():
        missing = bool((cell["verdict"] == MISSING).any())
        asked = cell[~cell["verdict"].isin([UNABLE, MISSING])]
        if asked.empty and not missing:
            continue  # a precision that it does not work in
        finite, none = (asked[asked["minimiser"] == kind]["verdict"] for kind in (True, False))
        named, claimed = (int((none == verdict).sum()) for verdict in (NAMED, FALSE))
        rows.append(
            {"contender": contender, "model": model, "dtype": dtype, "cases": len(finite)}
            | {verdict: int((finite == verdict).sum()) for verdict in COUNTED}
            | {"no minimiser": len(none), NAMED: named, SILENT: len(none) - named - claimed, FALSE_THERE: claimed}
            | {"note": "not installed" if missing else ""}
        )
    table = pd.DataFrame(rows)
    if len(table):
        table = table.sort_values("model", kind="stable", ignore_index=True)
    table = table.rename(columns=SHOWN)
    return table.drop(columns="note") if len(table) and not (table["note"] != "").any() else table


def false_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of false claims: what was reported, and the gap f - inf f there."""
    columns = [*KEY, "model", "status", "gap", "optimum", "message"]
    return frame[frame["verdict"] == FALSE][columns] if len(frame) else frame


def false_claims(frame: pd.DataFrame) -> pd.DataFrame:
    """Each row is a solver on the problems of a model, in a precision: the cases on which its report of convergence was
    false. Largest gap: of f over its infimum where convergence was reported; nan where the infimum is not known."""
    import pandas as pd

    false = false_rows(frame)
    rows = [
        {"contender": contender, "model": model, "dtype": dtype, "false claims": len(cell)}
        | {"largest gap": f"{cell['gap'].max():.1e}", "cases": ", ".join(sorted(cell["case"]))}
        for (contender, model, dtype), cell in (false.groupby(TELLS_APART, sort=False) if len(false) else ())
    ]
    table = pd.DataFrame(rows)
    return table.sort_values("model", kind="stable", ignore_index=True) if len(table) else table
