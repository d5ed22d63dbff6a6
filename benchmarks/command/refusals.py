"""The peers that a run leaves out, and why, in a sentence each."""

from __future__ import annotations

import typer

from benchmarks.runner.measure import problem_of
from benchmarks.runner.peers import refusal
from benchmarks.runner.suites import Case
from solvers.adapters import PEERS


def expressible(cases: list[Case]) -> list[Case]:
    """The cases that can be measured here: a peer that is not installed, or that a problem is beyond, is named and
    left out. Raises ValueError where none is left."""
    reasons: dict[tuple[str, str], list[str]] = {}
    there = []
    for case in cases:
        if reason := refusal(case.solver, problem_of(case), case.stop) if case.solver in PEERS else "":
            reasons.setdefault((case.solver, reason), []).append(case.problem)
        else:
            there.append(case)
    sentences = [
        f"{peer} on {', '.join(dict.fromkeys(problems))}: {reason}" for (peer, reason), problems in reasons.items()
    ]
    if sentences and not there:
        raise ValueError("; ".join(sentences))
    for sentence in sentences:
        typer.echo(f"left out {sentence}", err=True)
    return there
