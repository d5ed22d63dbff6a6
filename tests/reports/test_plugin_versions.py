"""Reports of plug-ins: one version in a table, and a look of their own."""

from __future__ import annotations

from reports.data.runs import newest_code
from reports.figures import style
from solvers import SOLVERS
from solvers.adapters import PEERS
from tests.reports.made_up import HOST, frame, run


def test_of_a_plug_in_only_the_version_measured_last_is_shown_and_the_rest_is_counted():
    old, new, ours = {"solver_plugin": "a.py 1"}, {"solver_plugin": "a.py 2"}, {"solver_plugin": ""}
    runs = [
        run(solver="mine", repeat=0, date="2026-01-01", problem_plugin="", **old),
        run(solver="mine", repeat=1, date="2026-01-03", problem_plugin="", **new),
        run(solver="newton", repeat=2, date="2026-01-02", solver_plugin=None, problem_plugin=None),
        run(solver="newton", repeat=3, date="2026-01-01", problem="own", problem_plugin="a.py 1", **ours),
        run(solver="mine", repeat=4, date="2026-01-02", problem="own", problem_plugin="a.py 2", **new),
        run(solver="mine", repeat=5, date="2026-01-01", machine="other", problem_plugin="", **old),
    ]
    left, older = newest_code(frame(*runs))
    assert sorted(left["repeat"].unique()) == [1, 2, 4, 5] and older == {HOST: 2}
    before = frame(*[{name: value for name, value in one.items() if not name.endswith("plugin")} for one in runs])
    assert len(newest_code(before)[0]) == len(before)  # as runs were stored once


def test_a_plug_in_and_an_optimiser_look_like_no_registered_solver_and_are_not_drawn_as_peers():
    registered = {style.look(name) for name in (*SOLVERS, *PEERS)}
    for name in ("heavy-ball", "torch:Adam:lr=0.01", "torch:SGD", *(f"mine-{k}" for k in range(50))):
        assert style.look(name) not in registered and style.look(name) == style.look(name)
        assert style.face(name) == style.look(name)[0]
