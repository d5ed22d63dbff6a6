"""The tables of the report that are made from stored runs alone, in the order of the page."""

from __future__ import annotations

from .claims import claims
from .convergence_claims import convergence_claims
from .costs import break_even, devices, iteration_cost
from .precision import precision
from .problems import environment, problems, with_metadata
from .record import Table
from .summary import summary
from .times import runs_with_target, time_to_accuracy, time_to_gap

RECORDS = (
    Table("claims", claims, "The original claims, checked", published=True),
    Table("summary", summary, best="time", takes=runs_with_target, peers=True, published=True),
    Table(
        "honesty", convergence_claims, "Was “converged” true in these runs?", best="-false", peers=True, published=True
    ),
    Table(
        "time-to-gap",
        time_to_gap,
        "Time to objective gap",
        best="1e-06",
        takes=runs_with_target,
        peers=True,
        published=True,
    ),
    Table(
        "time-to-accuracy", time_to_accuracy, "Time to test accuracy", best="0.95", takes=runs_with_target, peers=True
    ),
    Table("precision", precision, "How close each precision gets", takes=runs_with_target, peers=True),
    Table("iteration-cost", iteration_cost, "Time of an iteration", best="an iteration", peers=True),
    Table("devices", devices, "The CPU against other devices"),
    Table("break-even", break_even, "Break-even size"),
    Table("problems", problems, "The problems", published=True),
    Table("environment", environment, "Machines", takes=with_metadata, published=True),
)
TABLES: dict[str, Table] = {table.name: table for table in RECORDS}
