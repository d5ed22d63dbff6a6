"""The suites: which solver runs on which problem, and under which rules."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from itertools import product
from typing import Any

from datasets import CUTEST, FUNCTIONS, NIST, PROBLEMS, TEST_FUNCTIONS, plugins
from solvers import SOLVERS, Solver, Stop
from solvers.adapters import PEERS, Peer
from solvers.named import label, solver_named

from .peers import installed

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Case:
    """One cell of a benchmark: everything that determines a run but its repeat, its machine and the code."""

    problem: str  # a name of PROBLEMS
    solver: str  # a name of SOLVERS or of PEERS, or torch:CLASS:settings as solvers.named.canonical writes it
    settings: tuple[tuple[str, Any], ...] = ()  # what differs from the registered solver
    stop: Stop = Stop()  # noqa: RUF009, it is immutable
    dtype: str = "float64"
    device: str = "cpu"
    threads: int = 1
    variant: str = ""  # a name for the settings, where a solver has several
    processes: int = 1  # over which the rows are divided
    backend: str = ""  # of torch.distributed, where there are several

    @property
    def label(self) -> str:
        """The solver's name as tables and legends show it."""
        shards = f"({self.processes} processes)" if self.processes > 1 else ""
        return " ".join(filter(None, [label(self.solver), self.variant, shards]))

    @property
    def key(self) -> str:
        """Eight hexadecimal digits of the hash of `describe`: the repeats of a case share them."""
        return hashlib.sha256(json.dumps(self.describe(), sort_keys=True).encode()).hexdigest()[:8]

    @property
    def solver_plugin(self) -> str:
        """The file and hash, or the package and version, of a solver or a peer that is no part of hessbench."""
        own = plugins.origin("peer" if self.solver in PEERS else "solver", self.solver)
        return " and ".join(filter(None, [own, getattr(self.make_solver(), "package", "")]))

    @property
    def problem_plugin(self) -> str:
        """The same of the problem."""
        return plugins.origin("problem", self.problem)

    @property
    def rules(self) -> str:
        """The stopping rules in words."""
        tests = {"gap": self.stop.gap_tolerance, "gradient": self.stop.gradient_tolerance}
        rules = [f"{name} {tolerance:g}" for name, tolerance in tests.items() if tolerance is not None]
        rules.append(f"{self.stop.iterations} iterations")
        if self.stop.seconds < math.inf:
            rules.append(f"{self.stop.seconds:g} s")
        return ", ".join(rules)

    def make_solver(self) -> Solver | Peer:
        found = PEERS[self.solver] if self.solver in PEERS else solver_named(self.solver)
        return replace(found, **dict(self.settings)) if self.settings else found

    def describe(self) -> dict[str, Any]:
        """All of it as plain values. `plugins`: the versions of what is no part of hessbench, where there is any."""
        foreign = {"solver": self.solver_plugin, "problem": self.problem_plugin}
        shards = {"processes": self.processes, "backend": self.backend} if self.processes > 1 else {}
        return (
            ({"plugins": foreign} if any(foreign.values()) else {})
            | shards
            | {
                "problem": self.problem,
                "solver": self.solver,
                "settings": self.all_settings(),
                "stop": asdict(self.stop),
                "dtype": self.dtype,
                "device": self.device,
                "threads": self.threads,
            }
        )

    def all_settings(self) -> dict[str, Any]:
        """The class of the solver, and all of its settings."""
        solver = self.make_solver()
        own = asdict(solver) if is_dataclass(solver) else {}
        version = {"version": installed(self.solver)} if self.solver in PEERS else {}
        return {"class": type(solver).__name__} | {name: plain(value) for name, value in own.items()} | version


def plain(value: Any) -> Any:
    """A setting as JSON has it: a user's own may be a class, a function or a tensor."""
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return getattr(value, "__qualname__", None) or re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def classic() -> list[Case]:
    """The classic comparison, run for run, and the penalised problem beside it.

    On the unpenalised problem: gradient descent with rate 0.1 on the mean loss, Newton with 1e-6 I added to the
    Hessian of the summed loss, diagonal Newton with 1e-8 added to the diagonal of the same, each for a fixed number
    of iterations and with no test. Our loss is the mean over 398 rows, so the two constants are divided by 398.
    On the penalised problem every solver as it is registered, until it converges.
    """
    rows = 398
    runs = (
        ("gradient-descent", {"learning_rate": 0.1}, 200, ""),
        ("newton", {"damping": 1e-6 / rows}, 30, ""),
        ("newton-diagonal", {"learning_rate": 1.0, "eps": 1e-8 / rows}, 80, "rate 1"),
        ("newton-diagonal", {"learning_rate": 0.1, "eps": 1e-8 / rows}, 80, "rate 0.1"),
    )
    cases = [
        Case("breast-cancer", solver, tuple(settings.items()), fixed(iterations), dtype, variant=variant)
        for dtype, (solver, settings, iterations, variant) in product(DTYPES, runs)
    ]
    return cases + every_solver(["breast-cancer-l2"])


BRIEF = {"mlp-breast-cancer-mean10": 0.1}  # seconds in `quick`, where 1,000 iterations take up to 13


def quick() -> list[Case]:
    """Every solver on every small problem in float64, 1,000 iterations at most, 0.1 s on the network: a smoke run.

    On breast-cancer-l2 2,000 iterations at most, as in `classic`: the two suites share these runs.
    """
    shared = [case for case in classic() if case.stop.gap_tolerance is not None]
    names = {case.problem for case in shared}
    others = [name for name in problems(small=True) if name not in names]
    return shared + [
        Case(name, solver, stop=Stop(iterations=1000, seconds=BRIEF.get(name, math.inf)))
        for name, solver in product(others, SOLVERS)
    ]


def every_solver(problems: Iterable[str]) -> list[Case]:
    """As they are registered, in float64 with one thread, 2,000 iterations at most."""
    return [Case(problem, solver, stop=Stop(iterations=2000)) for problem, solver in product(problems, SOLVERS)]


def peers() -> list[Case]:
    """The methods of other libraries on the problems of `quick` and by its rules, in float64 where they have it.

    `run` leaves out the peers that are not installed or cannot express a problem, and says so.
    """
    return beside(quick(), PEERS)


def beside(cases: Iterable[Case], names: Iterable[str]) -> list[Case]:
    """Peers on the problems of these cases, by their rules where those have a tolerance for the gap; in another
    precision where a peer does not have that of the case."""
    names = list(names)
    return list(
        dict.fromkeys(
            replace(case, solver=name, settings=(), variant="", dtype=dtype)
            for case, name in product(cases, names)
            if case.stop.gap_tolerance is not None
            for dtype in [case.dtype if case.dtype in PEERS[name].dtypes else PEERS[name].dtypes[0]]
        )
    )


def stepped(cases: Iterable[Case], names: Iterable[str]) -> list[Case]:
    """Optimisers of torch, torch:CLASS:settings, on the problems of these cases and by their rules, but for the cases
    whose rules belong to the settings of one solver."""
    every = product(cases, names)
    return list(dict.fromkeys(replace(case, solver=name, variant="") for case, name in every if not case.settings))


def full() -> list[Case]:
    """Every solver on every problem that needs no files, in both precisions with one thread and with two, 20,000
    iterations and 20 seconds at most."""
    stop = Stop(iterations=20_000, seconds=20.0)
    return [
        Case(problem, solver, stop=stop, dtype=dtype, threads=threads)
        for problem, solver, dtype, threads in product(problems(files=False), SOLVERS, DTYPES, (1, 2))
    ]


def real() -> list[Case]:
    """MNIST and LIBSVM files: every solver that assembles no Hessian of thousands of coefficients, in float64 with two
    threads, 20,000 iterations and 60 seconds at most."""
    stop = Stop(iterations=20_000, seconds=60.0)
    return [
        Case(problem, name, stop=stop, threads=2)
        for problem, (name, solver) in product(problems(files=True), SOLVERS.items())
        if problem not in LARGE or getattr(solver, "needs", "hessian") in LARGE[problem]
    ]


SWEPT = ("gradient-descent", "newton-diagonal", "newton-cg", "newton-cholesky")  # one of each kind


def swept() -> list[str]:
    """These, and the plug-ins."""
    return [*SWEPT, *plugins.names("solver")]


def sizes() -> list[Case]:
    """Iteration cost against size, measured in seconds: five iterations of the solvers of `sweep` in float64, against
    the columns at 2,000 rows and against the rows at 30 columns."""
    shapes = ((2_000, 30), (2_000, 100), (2_000, 400), (8_000, 30), (32_000, 30))
    return [Case(f"synthetic-{n}x{d}", solver, stop=fixed(5)) for (n, d), solver in product(shapes, swept())]


def sweep() -> list[Case]:
    """Iteration cost against size: ten iterations of four kinds of solvers, without a test, on synthetic problems of
    1,000 to 100,000 rows and 10 to 300 columns in both precisions; with two devices, the break-even size."""
    shapes = [(n, d) for n, d in product((1_000, 10_000, 100_000), (10, 100, 300)) if n * d <= 10_000_000]
    return [
        Case(f"synthetic-{n}x{d}", solver, stop=fixed(10), dtype=dtype)
        for (n, d), solver, dtype in product(shapes, swept(), DTYPES)
    ]


# problem -> what a solver may need there: 10^4 coefficients make a Hessian that takes minutes, 10^5 one too large
LINEAR = ("gradient", "hvp", "hessian_diagonal")
LAYERS = "kronecker_factors"
LARGE = {
    "reuters": LINEAR,
    "mnist": (*LINEAR, LAYERS),
    "mnist-views": (*LINEAR, LAYERS),
    "mlp-mnist-views": ("gradient", "hvp", LAYERS),
}


def problems(*, small: bool | None = None, files: bool | None = None) -> list[str]:
    """The problems that are small or not, and need files or not (None: both), without the test functions. A builder
    without these attributes counts as small, without files."""
    return [
        name
        for name, recipe in PROBLEMS.items()
        if small in (None, getattr(recipe, "small", True))
        and files in (None, bool(getattr(recipe, "needs", "")))
        and name not in TEST_FUNCTIONS
    ]


def functions() -> list[Case]:
    """Every solver on every test function from its published start, in float64, 1,000 iterations and 5 seconds at
    most: how well its globalisation works where f is not convex."""
    return _on_functions(function.name for function in FUNCTIONS)


def nist() -> list[Case]:
    """The same on NIST's nonlinear regressions, from both of their starts."""
    return _on_functions(function.name for function in NIST)


def cutest() -> list[Case]:
    """The same on CUTEst's unconstrained problems of at most 50 variables, where the package that holds them is."""
    return _on_functions(problem.name for problem in CUTEST)


def _on_functions(names: Iterable[str]) -> list[Case]:
    stop = Stop(iterations=1000, seconds=5.0)
    return [Case(problem, solver, stop=stop) for problem, solver in product(names, SOLVERS)]


SUITES = {
    "classic": classic,
    "quick": quick,
    "peers": peers,
    "full": full,
    "real": real,
    "sizes": sizes,
    "sweep": sweep,
    "functions": functions,
    "nist": nist,
    "cutest": cutest,
}


REPEATS = {"quick": 6, "peers": 6}  # the fewest that give an interval; of the other suites MANY
MANY = 10


def default_repeats(suites: Iterable[str], problems: Iterable[str] = ()) -> int:
    """The repeats of a command that names suites or problems and no number."""
    suites = list(suites) or ([] if list(problems) else ["quick"])
    return max((REPEATS.get(suite, MANY) for suite in suites), default=MANY)


def fixed(iterations: int) -> Stop:
    """A fixed number of iterations, unless the values cease to be finite."""
    return Stop(gap_tolerance=None, iterations=iterations, stop_when_separable=False)


def select(
    cases: Iterable[Case],
    *,
    problems: Iterable[str] = (),
    solvers: Iterable[str] = (),
    dtypes: Iterable[str] = (),
    devices: Iterable[str] = (),
    threads: Iterable[int] = (),
    time_limit: float | None = None,
) -> list[Case]:
    """The cases of those problems and solvers, in each of those dtypes, devices and thread counts, without duplicates.

    An empty argument changes nothing.
    """
    problems, solvers = set(problems), set(solvers)
    chosen = [
        case for case in cases if (not problems or case.problem in problems) and (not solvers or case.solver in solvers)
    ]
    if time_limit is not None:
        chosen = [replace(case, stop=replace(case.stop, seconds=time_limit)) for case in chosen]
    for name, values in (("dtype", dtypes), ("device", devices), ("threads", threads)):
        if values := tuple(values):
            chosen = [replace(case, **{name: value}) for case in chosen for value in values]
    return list(dict.fromkeys(chosen))
