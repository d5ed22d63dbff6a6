"""Every solver of ours and every peer by one name each: hessbench:NAME, library:method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from solvers import SOLVERS
from solvers.adapters import PEERS, Peer
from solvers.common.names import STEPPED, lookup
from solvers.named import canonical, solver_named

from .suites import Case

T = TypeVar("T")
OURS = "hessbench:"
BY_GRADIENT = " by gradient"  # ends the name of a contender of ours that the gradient stops


class Contenders(Mapping[str, T]):
    """The registries as they are when it is asked: with plug-ins, and with hessbench:torch:Adam:lr=0.1 and the like.

    ours: makes a contender of the name of a solver, theirs of a peer. tests: what may end a name of ours.
    """

    def __init__(self, ours: Callable[[str], T], theirs: Callable[[Peer], T], tests: tuple[str, ...] = ("",)) -> None:
        self.ours, self.theirs, self.tests = ours, theirs, tests

    def __getitem__(self, name: str) -> T:
        if name in PEERS:
            return self.theirs(PEERS[name])
        solver, test = parts(name)
        if not name.startswith(OURS) or test not in self.tests or not (solver in SOLVERS or solver.startswith(STEPPED)):
            raise KeyError(name)
        solver_named(solver)  # raises ValueError where the settings do not fit
        return self.ours(solver + test)

    def __iter__(self) -> Iterator[str]:
        yield from (f"{OURS}{name}{test}" for name in SOLVERS for test in self.tests)
        yield from PEERS

    def __len__(self) -> int:
        return len(SOLVERS) * len(self.tests) + len(PEERS)

    def known(self, names: Iterable[str], kind: str) -> list[str]:
        """The names, each once and as it is stored; ValueError for one that is not there."""
        found = {}
        for name in names:
            lookup(self, name, kind)
            solver, test = parts(name)
            found[name if name in PEERS else f"{OURS}{canonical(solver)}{test}"] = None
        return list(found)


def parts(name: str) -> tuple[str, str]:
    """The solver of a contender of ours, and by what it is stopped."""
    test = BY_GRADIENT if name.endswith(BY_GRADIENT) else ""
    return name.removeprefix(OURS).removesuffix(test), test


def versions(names: Iterable[str]) -> dict[str, str]:
    """Of those contenders that are no part of hessbench, the file and hash or the package and version."""
    solvers = {name: name if name in PEERS else parts(name)[0] for name in names}
    found = {name: Case("", solver).solver_plugin for name, solver in solvers.items()}
    return {name: version for name, version in found.items() if version}
