"""The tables of the report that are made from stored runs alone, in the order of the page."""

from __future__ import annotations

from .claims import claims
from .convergence_claims import convergence_claims
from .costs import break_even, devices, iteration_cost
from .precision import precision
from .problems import environment, problems, with_metadata
from .record import Table
from .summary import summary
from .times import runs_with_gap, runs_with_target, time_to_accuracy, time_to_gap, time_to_loss

TESTED = {"takes": runs_with_target, "peers": True}
RECORDS = (
    Table("claims", claims, "The original claims, checked", published=True),
    Table("summary", summary, best="time", published=True, **TESTED),
    Table("honesty", convergence_claims, "Was “converged” true in these runs?", "-false", peers=True, published=True),
    Table("time-to-gap", time_to_gap, "Time to objective gap", "1e-06", runs_with_gap, peers=True, published=True),
    Table("time-to-loss", time_to_loss, "Time to a loss, where no minimum is certified", "1e-02", **TESTED),
    Table("time-to-accuracy", time_to_accuracy, "Time to test accuracy", "0.95", **TESTED),
    Table("precision", precision, "How close each precision gets", "float64", **TESTED),
    Table("iteration-cost", iteration_cost, "Time of an iteration", "an iteration", peers=True),
    Table("devices", devices, "The CPU against other devices"),
    Table("break-even", break_even, "Break-even size"),
    Table("problems", problems, "The problems", published=True),
    Table("environment", environment, "Machines", takes=with_metadata, published=True),
)
TABLES: dict[str, Table] = {table.name: table for table in RECORDS}
