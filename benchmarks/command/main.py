"""The verbs of `python -m benchmarks`: their options and help. What a verb does is imported only when it runs."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.catalogue.completion import names
from datasets.command_line import Verb, Version, application, formerly
from datasets.folders import RESULTS, shown
from datasets.own.options import takes_own_data


def call(verb: str, arguments: dict[str, Any]) -> None:
    """Run a verb; those with --plugin find in the registries what the files and the installed packages hold."""
    if "plugin" in arguments:
        import_module(".cases", __package__).load_plugins(arguments.pop("plugin"))
    getattr(import_module(f".{verb}", __package__), verb)(**arguments)


def with_own_data(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a verb, with the problem that --data makes among its problems; its certificate comes first."""
    return import_module(".own", __package__).with_own_data(arguments)


def contenders(arguments: dict[str, Any]) -> list[str]:
    """Solvers of ours and peers as library:method, out of the arguments of a verb."""
    from solvers.common.names import STEPPED

    foreign = [name for name in arguments["solver"] if ":" in name and not name.startswith(STEPPED)]
    ours = [f"hessbench:{name}" for name in arguments.pop("solver") if name not in foreign]
    return [*ours, *foreign, *arguments.pop("peer")]


app = application()
RUNS = typer.Option(help="Folder that holds the runs.", show_default=shown(RESULTS / "runs"))
# Arguments of options, by the names that a shell completes.
PROBLEM_NAMES = {"autocompletion": names("problems", "functions", "cutest")}
SOLVER_NAMES, PEER_NAMES, SUITE_NAMES = ({"autocompletion": names(kind)} for kind in ("solvers", "peers", "suites"))
PROBLEMS = typer.Option(help="Only this problem; may be repeated.", **PROBLEM_NAMES)
PLUGIN = typer.Option(
    metavar="FILE.py", help="A file with SOLVERS, PROBLEMS or PEERS of your own (docs/plugins.md); may be repeated."
)
RANK_TIMEOUT = typer.Option(help="Under torchrun: seconds that processes wait for one that does not come.")
FORCE = typer.Option("--force", help="Measure again, and replace, what is stored already.")


@app.callback()
def main(version: Version = False) -> None:
    """Measure solvers and store every run. Example: python -m benchmarks run --suite quick"""


@app.command("list")
def list_all(
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")] = False,
    plugin: Annotated[list[Path], PLUGIN] = [],  # noqa: B006
) -> None:
    """The solvers, the peers in other libraries, the problems, the test functions and the suites, a line each.

    Example: python -m benchmarks list
    """
    import_module(".listing", __package__).listing(json, plugin)


@app.command(cls=Verb)
@takes_own_data
def run(
    suite: Annotated[
        list[str],
        typer.Option(
            help="classic, quick, peers (other libraries, sampled by iteration limit), full, real, sizes, sweep, "
            "functions, nist or cutest; may be repeated.",
            show_default="quick, or all of --problem",
            **SUITE_NAMES,
        ),
    ] = [],  # noqa: B006
    problem: Annotated[list[str], PROBLEMS] = [],  # noqa: B006
    solver: Annotated[
        list[str],
        typer.Option(help="Only this solver, or torch:Adam:lr=1e-3 and the like; may be repeated.", **SOLVER_NAMES),
    ] = [],  # noqa: B006
    peer: Annotated[
        list[str],
        typer.Option(help="This method of another library, as library:method; may be repeated.", **PEER_NAMES),
    ] = [],  # noqa: B006
    device: Annotated[list[str], typer.Option(help="cpu, cuda, ...; may be repeated.")] = [],  # noqa: B006
    dtype: Annotated[list[str], typer.Option(help="float32 or float64; may be repeated.")] = [],  # noqa: B006
    threads: Annotated[list[int], typer.Option(help="Threads torch may use; may be repeated.")] = [],  # noqa: B006
    repeats: Annotated[
        int | None,
        typer.Option(help="Runs of each case; six or more give intervals.", show_default="10; of quick and peers 6"),
    ] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds after which a solver is stopped.")] = None,
    store: Annotated[Path, RUNS] = RESULTS / "runs",
    isolate: Annotated[
        bool | None,
        typer.Option(help="Each run in another process, within limits.", show_default="where there are peers"),
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds after which the process of an isolated run is ended, warm-up included.")
    ] = 600.0,
    memory: Annotated[
        float | None,
        typer.Option(help="GiB that an isolated run may allocate on the host.", show_default="7/10 of what there is"),
    ] = None,
    rank_timeout: Annotated[float, RANK_TIMEOUT] = 20.0,
    checkpoint: Annotated[
        float,
        typer.Option(help="Under torchrun: seconds after which a run is saved, off its clock, to go on from."),
    ] = 60.0,
    plugin: Annotated[list[Path], PLUGIN] = [],  # noqa: B006
    *,
    own: dict[str, Any],
) -> None:
    """Measure suites. Stored runs are not measured again: an interrupted command continues where it stopped.

    Example: python -m benchmarks run --suite classic --repeats 10

    Example: python -m benchmarks run --problem breast-cancer-l2 --solver newton --solver newton-cholesky --threads 2

    Example: python -m benchmarks run --problem mnist --solver newton-cg --time-limit 60 --repeats 3

    Example: python -m benchmarks run --peer scipy:trust-exact --peer scikit-learn:lbfgs --problem breast-cancer-l2

    Example: python -m benchmarks run --suite full --isolate --timeout 120 --memory 4

    Example: python -m benchmarks run --problem iris --solver newton --solver torch:Adam:lr=1e-2 --plugin my_solver.py

    Example: python -m benchmarks run --data patients.csv --target outcome --model logistic --l2 1e-3

    Example: torchrun --nproc-per-node 2 -m benchmarks run --problem breast-cancer-l2 --solver newton-cholesky
    """
    call("run", locals())


@app.command(cls=Verb)
def counters(
    check: Annotated[bool, typer.Option("--check", help="Compare with the baseline; exit 1 on a change.")] = False,
    update: Annotated[bool, typer.Option("--update", help="Rewrite the baseline.")] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(help="The file to compare with or to write.", show_default="benchmarks/profiling/counters.json"),
    ] = None,
) -> None:
    """Count what solvers evaluate, with FLOPs and bytes by formula: numbers that CI can compare on any machine.

    --update also counts each case as other processors would and on slightly perturbed data (about 15 minutes on two
    cores), and writes an interval where the counts differ.

    Example: python -m benchmarks counters --check
    """
    call("counters", locals())


@app.command(cls=formerly(json="--out"))
@takes_own_data
def profile(
    problem: Annotated[
        str | None, typer.Option(help="Problem name; see `list`.", show_default="breast-cancer-l2", **PROBLEM_NAMES)
    ] = None,
    n: Annotated[int | None, typer.Option(help="Rows of a synthetic logistic problem, in place of --problem.")] = None,
    d: Annotated[int | None, typer.Option(help="Columns of the synthetic problem.")] = None,
    solver: Annotated[str, typer.Option(help="Solver name; see `list`.", **SOLVER_NAMES)] = "newton-cholesky",
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float64",
    threads: Annotated[int, typer.Option(help="Threads torch may use.")] = 1,
    iterations: Annotated[
        int, typer.Option(help="Maximum number of iterations; the run still stops at convergence.")
    ] = 1000,
    repeats: Annotated[
        int, typer.Option(help="Instrumented runs; as many uninstrumented runs are made for comparison.")
    ] = 5,
    trace: Annotated[Path | None, typer.Option(help="Write one more run as a Chrome trace (JSON).")] = None,
    roofline: Annotated[Path | None, typer.Option(help="Draw the roofline figure (.png, .svg or .pdf).")] = None,
    json: Annotated[Path | None, typer.Option("--out", help="Write all numbers as JSON (.json).")] = None,
    save: Annotated[bool, typer.Option("--save", help="Store all numbers for the next report.")] = False,
    store: Annotated[
        Path, typer.Option(help="Folder that --save writes to.", show_default=shown(RESULTS / "profiles"))
    ] = RESULTS / "profiles",
    plugin: Annotated[list[Path], PLUGIN] = [],  # noqa: B006
    *,
    own: dict[str, Any],
) -> None:
    """Show where the time of a run goes: phases with FLOPs, bytes and the share of what this machine reaches, and what
    limits the speed.

    Example: python -m benchmarks profile --problem breast-cancer-l2 --solver newton-cholesky

    Example: python -m benchmarks profile --data patients.csv --target outcome --l2 1e-3

    Example: python -m benchmarks profile --n 200000 --d 100 --threads 2 --roofline roofline.png --trace trace.json
    """
    call("profile", with_own_data(locals()))


@app.command(cls=Verb)
@takes_own_data
def peers(
    problem: Annotated[
        list[str],
        typer.Option(
            help="Only this problem; may be repeated.", show_default="those of the scoreboard", **PROBLEM_NAMES
        ),
    ] = [],  # noqa: B006
    threads: Annotated[
        list[int], typer.Option(help="Threads each solver may use; may be repeated.", show_default="1")
    ] = [],  # noqa: B006
    solver: Annotated[
        list[str],
        typer.Option(help="This solver of ours, too; alone, without peers. May be repeated.", **SOLVER_NAMES),
    ] = [],  # noqa: B006
    peer: Annotated[
        list[str],
        typer.Option(help="Only this peer, as library:method; may be repeated.", show_default="all", **PEER_NAMES),
    ] = [],  # noqa: B006
    repeats: Annotated[int, typer.Option(help="Rounds; six or more give intervals.")] = 7,
    time_limit: Annotated[
        float, typer.Option(help="Seconds a fit may take, or ten times as long as the fastest (1 at least), if less.")
    ] = 20.0,
    force: Annotated[bool, FORCE] = False,
    store: Annotated[Path, typer.Option(help="Folder of the results.", show_default=shown(RESULTS / "peers"))] = RESULTS
    / "peers",
    plugin: Annotated[list[Path], PLUGIN] = [],  # noqa: B006
    *,
    own: dict[str, Any],
) -> None:
    """Time our solvers and those of other libraries to the same certified gap, each at its fastest setting, in turns.

    Results of the same code and packages are not measured again: an interrupted scoreboard continues.

    Example: python -m benchmarks peers

    Example: python -m benchmarks peers --problem breast-cancer-l2 --peer scikit-learn:lbfgs --threads 1 --threads 2

    Example: python -m benchmarks peers --data patients.csv --target outcome --l2 1e-3
    """
    options = locals()
    call("peers", with_own_data(options | {"peer": contenders(options)}))


@app.command(cls=Verb)
def check(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE.py]...", help="Files with SOLVERS.")] = None,
    solver: Annotated[
        list[str], typer.Option(help="This solver too, of ours or torch:Adam:lr=1e-2; may be repeated.")
    ] = [],  # noqa: B006
) -> None:
    """Hold solvers of your own to what every registered solver promises: a table of checks, exit 1 if one fails.

    Example: python -m benchmarks check my_solver.py

    Example: python -m benchmarks check --solver newton-cholesky --solver torch:Adam:lr=1e-2
    """
    module = import_module(".check", __package__)
    module.check_solvers(files or [], solver)


@app.command(cls=formerly(seconds="--time-limit", case="--problem"))
def honesty(
    solver: Annotated[
        list[str], typer.Option(help="Only this solver of ours; may be repeated.", show_default="all", **SOLVER_NAMES)
    ] = [],  # noqa: B006
    peer: Annotated[
        list[str],
        typer.Option(help="Only this peer, as library:method; may be repeated.", show_default="all", **PEER_NAMES),
    ] = [],  # noqa: B006
    case: Annotated[list[str], typer.Option("--problem", help="Only this hard problem; may be repeated.")] = [],  # noqa: B006
    model: Annotated[list[str], typer.Option(help="logistic or softmax; may be repeated.", show_default="both")] = [],  # noqa: B006
    dtype: Annotated[list[str], typer.Option(help="float64 or float32; may be repeated.", show_default="both")] = [],  # noqa: B006
    seconds: Annotated[float, typer.Option("--time-limit", help="Seconds a fit may take.")] = 2.0,
    quick: Annotated[bool, typer.Option("--quick", help="Fifteen cases, four solvers, for CI.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if a claim of ours is false.")] = False,
    force: Annotated[bool, FORCE] = False,
    store: Annotated[
        Path, typer.Option(help="File of the verdicts.", show_default=shown(RESULTS / "honesty" / "verdicts.parquet"))
    ] = RESULTS / "honesty" / "verdicts.parquet",
    plugin: Annotated[list[Path], PLUGIN] = [],  # noqa: B006
) -> None:
    """Fit hard problems with every solver and every peer, and check what each reports against what is known.

    Whether a minimiser exists, and how far the answer is from it, is known to 80 digits. A report of success that is
    not true counts as a false claim. All of it takes three quarters of an hour; verdicts on the same code and packages
    are not measured again, so an interrupted table continues. `python -m reports build` shows what is stored.

    Example: python -m benchmarks honesty

    Example: python -m benchmarks honesty --solver newton-cholesky --problem far-twins --dtype float32
    """
    options = locals()
    call("honesty", options | {"solver": contenders(options)})


@app.command(cls=Verb)
def audit(
    subject: Annotated[
        list[str], typer.Argument(help="A file of your own (FILE.py), a solver, torch:CLASS, or a peer library:method.")
    ],
    part: Annotated[
        list[str],
        typer.Option(help="Only claims, promises, descent, units, device, repeats or functions; may be repeated."),
    ] = [],  # noqa: B006
    seconds: Annotated[float, typer.Option("--time-limit", help="Seconds a run may take.")] = 2.0,
    quick: Annotated[bool, typer.Option("--quick", help="A few of the hard problems only.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the page to this .html, .txt or .json file, too.")] = None,
    store: Annotated[
        Path, typer.Option(help="File of the verdicts.", show_default=shown(RESULTS / "honesty" / "verdicts.parquet"))
    ] = RESULTS / "honesty" / "verdicts.parquet",
    plugin: Annotated[list[Path], PLUGIN] = [],  # noqa: B006
) -> None:
    """Examine a solver: false reports of convergence, rises of f, other units, a GPU, repeats, test functions.

    Exit 1 if a test failed.

    Example: python -m benchmarks audit my_solver.py --out audit.html

    Example: python -m benchmarks audit torch:LBFGS:line_search_fn=strong_wolfe scipy:L-BFGS-B --part claims --quick
    """
    call("audit", locals())


@app.command(cls=Verb)
def scale(
    n: Annotated[int, typer.Option(help="Rows of all processes together.")] = 250_000,
    d: Annotated[int, typer.Option(help="Columns.")] = 100,
    processes: Annotated[
        list[int],
        typer.Option(
            help="So many processes of one thread; may be repeated.", show_default="1, 2, 4, ... and the cores"
        ),
    ] = [],  # noqa: B006
    solver: Annotated[
        list[str],
        typer.Option(
            help="Only this solver; may be repeated.", show_default="newton-cholesky, newton-cg, lbfgs", **SOLVER_NAMES
        ),
    ] = [],  # noqa: B006
    network: Annotated[
        list[str],
        typer.Option(
            metavar="RATE[:DELAY]",
            help="Also over two network namespaces (root, Linux), with this bandwidth and delay each way; "
            "may be repeated.",
        ),
    ] = [],  # noqa: B006
    repeats: Annotated[int, typer.Option(help="Rounds; six or more give intervals.")] = 6,
    store: Annotated[Path, typer.Option(help="Folder of the results.", show_default=shown(RESULTS / "scale"))] = RESULTS
    / "scale",
) -> None:
    """Measure how solvers scale over processes: strong and weak efficiency, what is sent, and what bounds it.

    The same logistic regression is solved by one process of one thread and by several, in turns. A model that is
    fitted to that predicts 8, 64 and 1,024 ranks. It takes about two minutes on two idle cores.

    Example: python -m benchmarks scale

    Example: python -m benchmarks scale --n 1000000 --solver newton-cholesky --network 1gbit --network 1gbit:1ms
    """
    call("scale", locals())


@app.command(cls=Verb)
def probe(
    features: Annotated[
        str,
        typer.Argument(
            metavar="FEATURES",
            help="CSV, Parquet, NPZ (arrays X and y), NPY, LIBSVM; or a folder of `data convert`, larger than memory.",
        ),
    ],
    labels: Annotated[
        str | None,
        typer.Option(
            help="The column or array of the classes; beside X.npy another NPY file.", show_default="y of NPZ"
        ),
    ] = None,
    l2: Annotated[
        str,
        typer.Option(help="Penalties l2/2 ||w||^2 of the mean loss, as 1e-3,1e-4; or path: 15 from 10 to 1e-6."),
    ] = "path",
    validation: Annotated[float, typer.Option(help="Share of the rows to hold out; none of a folder is.")] = 0.1,
    gap: Annotated[float, typer.Option(help="Proved gap of each fit to its minimum, as a fraction of f.")] = 1e-6,
    solver: Annotated[str, typer.Option(help="Of this project.", **SOLVER_NAMES)] = "auto",
    intercept: Annotated[bool, typer.Option(help="An intercept of each class, without a penalty.")] = True,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32 or float64; that of a folder stays.")] = "float32",
    threads: Annotated[int, typer.Option(help="Threads torch may use.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="NPZ file for the weights; what it holds already is not fitted again.")
    ] = None,
    rank_timeout: Annotated[float, RANK_TIMEOUT] = 20.0,
) -> None:
    """Fit a linear classifier to features over a path of penalties, each fit to a proved gap: a linear probe.

    Softmax regression, or logistic of two classes; the columns are taken as they are. Each penalty starts from the
    minimiser of the next larger one, and is judged on held-out rows.

    Example: python -m benchmarks probe embeddings.npz --out probe.npz

    Example: python -m benchmarks probe X.npy --labels y.npy --l2 1e-3,1e-4,1e-5 --device cuda

    Example: torchrun --nproc-per-node 2 -m benchmarks probe X.npy --labels y.npy --out probe.npz
    """
    call("probe", locals())


@app.command(cls=Verb)
def gpu(
    out: Annotated[Path, typer.Option(help="Folder for the results, at most eight files.")] = Path("gpu-results"),
    minutes: Annotated[float, typer.Option(help="Time for all of it.")] = 8.0,
    device: Annotated[str, typer.Option(help="cuda, cuda:1, ... or cpu, to try it anywhere.")] = "cuda",
    step: Annotated[str, typer.Option(help="Only this step, in this process.", hidden=True)] = "",
    until: Annotated[float, typer.Option(help="Time of day at which it is to end.", hidden=True)] = math.inf,
) -> None:
    """Test and measure on a GPU: calibration, tests, counts, sizes, whole runs, kernels, profiles.

    It needs no installation and no network: a checkout and a Python with torch, pandas, pyarrow, SciPy, scikit-learn,
    typer and rich. Each step is ended when its share of the minutes is over, and what it has written stays. Then
    `python -m reports build --store FOLDER` shows the CPU beside the GPU.

    Example: python3 -m benchmarks gpu --out results

    Example: python -m benchmarks gpu --device cpu --minutes 2 --out results
    """
    call("gpu", locals())


@app.command(cls=Verb)
def verify(
    store: Annotated[Path, RUNS] = RESULTS / "runs",
    count: Annotated[int | None, typer.Option(help="Verify at most this many runs.", show_default="all")] = None,
    plugin: Annotated[list[Path], PLUGIN] = [],  # noqa: B006
) -> None:
    """Run stored runs again, and compare iterates, losses and counters bit for bit. Exit 1 if one differs.

    Example: python -m benchmarks verify --count 20
    """
    call("verify", locals())


@app.command(cls=Verb)
def pack(store: Annotated[Path, RUNS] = RESULTS / "runs") -> None:
    """Combine finished runs into one file per suite. `run` and the reports read them like the rest.

    Example: python -m benchmarks pack --store my-runs
    """
    call("pack", locals())
