"""All names that the verbs take, as plain values, read from the registries."""

from __future__ import annotations

from typing import Any

from datasets import CUTEST, FUNCTIONS, NIST, PROBLEMS, TEST_FUNCTIONS, plugins
from datasets.functions.s2mpj import why_missing
from datasets.registry import summary
from solvers import SOLVERS
from solvers.adapters import PEERS

from ..display.durations import expected
from ..runner.peers import installed
from ..runner.suites import SUITES


def contents() -> dict[str, Any]:
    """A list for each kind: solvers, peers, problems, functions, cutest and suites. Each entry has a name and a
    summary; solvers, peers and problems also the file or package of a plug-in ("" for ours), a peer the version of its
    library ("" where it is not installed), a problem of CUTEst its number of variables, a suite its number of cases
    and how long it is expected to take, in words.
    cutest_missing: why these problems are not there; empty where they are."""
    functions = [function.name for function in (*FUNCTIONS, *NIST)]
    return {
        "solvers": [named(name, first_line(solver)) | own("solver", name) for name, solver in SOLVERS.items()],
        "peers": [
            named(name, first_line(peer)) | {"installed": installed(name) or ""} | own("peer", name)
            for name, peer in PEERS.items()
        ],
        "problems": [
            named(name, summary(name)) | own("problem", name) for name in PROBLEMS if name not in TEST_FUNCTIONS
        ],
        "functions": [named(name, summary(name)) for name in functions],
        "cutest": [named(problem.name, summary(problem.name)) | {"variables": problem.n} for problem in CUTEST],
        "cutest_missing": why_missing(),
        "suites": [
            named(name, first_line(suite)) | {"cases": len(suite()), "expected": expected(name, suite)}
            for name, suite in SUITES.items()
        ],
    }


def named(name: str, words: str) -> dict[str, Any]:
    return {"name": name, "summary": words}


def own(kind: str, name: str) -> dict[str, str]:
    """Where a plug-in comes from; empty for what is part of hessbench."""
    return {"plugin": plugins.origin(kind, name)}


def first_line(thing: object) -> str:
    """Of the docstring of a suite, or of the class of a solver or a peer."""
    return ((thing if callable(thing) else type(thing)).__doc__ or "").split("\n")[0]
