"""The verdicts in one Parquet file, a row for each contender, case and precision; and the table read from them."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .environment import ROOT, builds, commit, machine, now
from .honesty import FALSE, MISSED, MISSING, NAMED, OVER_TIME, RAISED, SOLVED, UNABLE, UNCLAIMED
from .honesty_cases import Case
from .scores import PACKAGES, _installed

if TYPE_CHECKING:
    import pandas as pd

DEFAULT = ROOT / "reports" / "honesty" / "verdicts.parquet"
KEY = ["contender", "case", "dtype"]
PROBLEM = ("solvers/objectives/*.py", "solvers/checks.py", "solvers/kernels.py", "solvers/exact_rank.py")
JUDGE = ("benchmarks/honesty.py", "benchmarks/truth.py", "datasets/separation.py")
OURS = (*JUDGE, *PROBLEM, "solvers/*.py")
THEIRS = (*JUDGE, *PROBLEM, "solvers/adapters/*.py", "benchmarks/deadline.py")


@cache
def _code(sources: tuple[str, ...], packages: tuple[str, ...]) -> str:
    """SHA-256 of the sources, the versions of the packages and the build of torch."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in sources for path in ROOT.glob(pattern)}):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    digest.update(json.dumps([{name: _installed(name) for name in packages}, builds()], sort_keys=True).encode())
    return digest.hexdigest()


def identity(contender: str, case: Case, seconds: float) -> str:
    """The hash of what must be the same for a verdict not to be asked for again.

    The case, the time limit, the machine, who judges, what the problem is built from; and of ours all of `solvers/`
    but the adapters, of theirs the adapters and the versions of all libraries. A peer is not asked again for a change
    of our solvers, nor is anyone for one of the rest of the suite.
    """
    ours = contender.startswith("hessbench:")
    code = _code(OURS, ("mpmath",)) if ours else _code(THEIRS, (*PACKAGES, "mpmath"))
    parts = [code, machine("cpu"), case.checksum, f"{seconds:g}"]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


class Verdicts:
    """The rows of a file. What is added is written whole or not at all, under a temporary name and then renamed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = {tuple(row[part] for part in KEY): row for row in read(path).to_dict("records")}

    def known(self, contender: str, case: str, dtype: str, identity: str) -> bool:
        row = self.rows.get((contender, case, dtype))
        return row is not None and row["identity"] == identity

    def add(self, row: dict[str, Any], identity: str) -> None:
        place = {"identity": identity, "machine": machine("cpu"), "commit": commit(), "date": now()}
        self.rows[tuple(row[part] for part in KEY)] = row | place

    def write(self) -> None:
        import pandas as pd

        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with open(partial, "wb") as file:
                pd.DataFrame(list(self.rows.values())).to_parquet(file, index=False)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self.path)
        finally:
            partial.unlink(missing_ok=True)


def read(path: Path) -> pd.DataFrame:
    """The rows of a file; none where it is not there or not whole."""
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError):  # pyarrow's errors are both
        return pd.DataFrame()
    return frame if {*KEY, "verdict", "minimiser", "identity"} <= set(frame) else pd.DataFrame()


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """On hard logistic regressions with a finite optimum (of so many cases that it can express): solved and said so;
    unclaimed: there, without saying so; missed, and said so or said nothing; false: success claimed where there was
    none, here or on a problem without a minimiser, or a separation named where there is a minimiser; raised, or over
    the time limit. On problems without a minimiser: how often separation was named. The bounds are in
    `benchmarks/honesty.py`; f* is known to 80 digits."""
    import pandas as pd

    rows = []
    for (contender, dtype), cell in frame.groupby(["contender", "dtype"], sort=False) if len(frame) else ():
        finite, none = (cell[cell["minimiser"] == kind]["verdict"] for kind in (True, False))
        asked = [verdicts[~verdicts.isin([UNABLE, MISSING])] for verdicts in (finite, none)]
        count = finite.value_counts()
        if not len(asked[0]) and not len(asked[1]) and not (cell["verdict"] == MISSING).any():
            continue  # a precision that it does not work in
        rows.append(
            {"contender": contender, "dtype": dtype, "cases": len(asked[0])}
            | {verdict: int(count.get(verdict, 0)) for verdict in (SOLVED, UNCLAIMED, MISSED)}
            | {FALSE: int((cell["verdict"] == FALSE).sum())}
            | {verdict: int((cell["verdict"] == verdict).sum()) for verdict in (RAISED, OVER_TIME)}
            | {"separation named": f"{int((none == NAMED).sum())} of {len(asked[1])}"}
            | {"note": "not installed" if (cell["verdict"] == MISSING).any() else ""}
        )
    return pd.DataFrame(rows)


def lies(frame: pd.DataFrame) -> pd.DataFrame:
    """Every false claim: what was said, and how far above the infimum of f it was said."""
    columns = [*KEY, "status", "gap", "optimum", "message"]
    return frame[frame["verdict"] == FALSE][columns] if len(frame) else frame
