"""Hostile input: odd tensors, odd names, odd numbers, odd files. Each works or is one sentence."""

from __future__ import annotations

import ast
import errno
import math
import os
import resource
import tempfile
from functools import cached_property

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks.command import run as command
from benchmarks.command.main import app
from benchmarks.runner.environment import ROOT
from benchmarks.store import runs as store_module
from benchmarks.store.runs import ROOM, Store
from datasets import certificate
from solvers import SOLVERS, CholeskyNewton, Status, Stop, minimize
from solvers.objectives import LogisticRegression, Objective, Point, SoftmaxRegression

# --- tensors

BASE = torch.tensor([[1.0, 0.5], [-1.0, 1.0], [2.0, -1.0], [0.3, 0.1]], dtype=torch.float64)
Y = torch.tensor([1.0, 0.0, 0.0, 1.0], dtype=torch.float64)
SAME = {
    "Fortran order": lambda: BASE.T.contiguous().T,
    "every other row of a larger one": lambda: BASE.repeat_interleave(2, dim=0)[::2],
    "a column of zero stride": lambda: torch.tensor([[1.0], [-1.0], [2.0], [0.3]], dtype=torch.float64).expand(4, 2),
    "negative strides, copied by NumPy": lambda: torch.as_tensor(BASE.numpy()[::-1, ::-1].copy()),
    "read-only memory": lambda: torch.frombuffer(bytes(BASE.numpy().tobytes()), dtype=torch.float64).reshape(4, 2),
    "requires gradients": lambda: BASE.clone().requires_grad_(),
    "a subclass": lambda: torch.nn.Parameter(BASE.clone()),
    "subnormal": lambda: BASE * 5e-324,
    "huge": lambda: BASE * 1e150,
    "a single row": lambda: BASE[:1],
    "a column of zeros": lambda: BASE * torch.tensor([1.0, 0.0], dtype=torch.float64),
    "CSR": lambda: BASE.to_sparse_csr(),
    "CSR with stored zeros": lambda: (BASE * 0).to_sparse_csr(),
}


@pytest.mark.parametrize("what", SAME)
@pytest.mark.parametrize("name", ["newton-cholesky", "newton-cg", "newton-diagonal-damped", "auto", "gradient-descent"])
@pytest.mark.filterwarnings("ignore:The given buffer is not writable")
def test_an_odd_design_is_solved_or_ends_with_a_status_and_is_not_written_to(what, name):
    X = SAME[what]()
    y = Y[: len(X)].clone()
    before = [part.detach().clone() for part in (X, y)]
    result = minimize(SOLVERS[name], LogisticRegression(X, y, l2=0.1), stop=Stop(iterations=200))
    assert result.status in set(Status) and bool(result.x.isfinite().all())
    for part, was in zip((X, y), before, strict=True):
        a, b = (t.to_dense() if t.layout == torch.sparse_csr else t for t in (part.detach(), was))
        assert torch.equal(a, b)


@pytest.mark.parametrize("what", ["Fortran order", "every other row of a larger one", "read-only memory", "CSR"])
@pytest.mark.filterwarnings("ignore:The given buffer is not writable")
def test_the_layout_of_a_design_does_not_change_the_answer(what):
    wanted = minimize(CholeskyNewton(), LogisticRegression(BASE, Y, l2=0.1)).x
    assert torch.allclose(minimize(CholeskyNewton(), LogisticRegression(SAME[what](), Y, l2=0.1)).x, wanted, atol=1e-9)


@pytest.mark.parametrize("labels", [[0, 1, 2, 9], [-1, 0, 1, 2], [0.5, 0, 1, 2]])
def test_classes_out_of_range_are_named(labels):
    with pytest.raises((ValueError, TypeError)) as caught:
        SoftmaxRegression(BASE, torch.tensor(labels, dtype=torch.float64), classes=3)
    assert "\n" not in str(caught.value)


def test_tensors_on_two_devices_are_one_sentence():
    with pytest.raises((ValueError, TypeError), match="meta"):
        LogisticRegression(BASE, Y.to("meta"))


@st.composite
def odd_problems(draw) -> tuple[torch.Tensor, torch.Tensor]:
    """X and y of odd shapes, dtypes, special values and strides."""
    n, d = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    scale = draw(st.sampled_from([1.0, 0.0, 5e-324, 1e-300, 1e154, 1e308]))
    entries = st.floats(-3, 3, allow_subnormal=False)  # some library of another test may flush them to zero
    if draw(st.booleans()):
        entries |= st.sampled_from([math.nan, math.inf, -math.inf])
    drawn = draw(st.lists(entries, min_size=n * d, max_size=n * d))
    with np.errstate(over="ignore", invalid="ignore"):
        array = scale * np.array(drawn, dtype=np.float64).reshape(n, d)
    X = torch.as_tensor(array).to(draw(st.sampled_from([torch.float64, torch.float32, torch.float16, torch.int64])))
    if draw(st.booleans()):
        X = X.T.contiguous().T
    rows = draw(st.sampled_from([n, n, n, n + 1]))
    labels = st.sampled_from([0.0, 1.0, 0.0, 1.0, 0.5, 2.0])
    return X, torch.tensor(draw(st.lists(labels, min_size=rows, max_size=rows)), dtype=torch.float64)


@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(odd_problems(), st.sampled_from([0.0, 0.1, 1e308]), st.booleans())
def test_odd_tensors_work_or_are_one_sentence(tensors, l2, fit_intercept):
    """The errors are ValueError or TypeError alone."""
    X, y = tensors
    before = X.clone(), y.clone()
    try:
        objective = LogisticRegression(X, y, l2=l2, fit_intercept=fit_intercept)
        for name in ("newton-cholesky", "newton-levenberg", "newton-cg"):
            result = minimize(SOLVERS[name], objective, stop=Stop(iterations=50))
            assert result.status in set(Status) and bool(result.x.isfinite().all())
    except (ValueError, TypeError) as error:
        assert "\n" not in str(error) and len(str(error)) < 300
    assert torch.equal(X.nan_to_num(), before[0].nan_to_num()) and torch.equal(y, before[1])


# --- names on the command line


def run(*options: str):
    return CliRunner().invoke(app, ["run", "--problem", "iris", "--solver", "newton", *options])


@pytest.fixture
def quick(monkeypatch):
    for module in (store_module, command):
        monkeypatch.setattr(module, "calibration", lambda *_: {})


@pytest.mark.parametrize("name", ["a b", 'it\'s "quoted"', "ünï", "-dash", "%s {0}", "<script>"])
def test_a_store_may_have_any_name(name, tmp_path, quick):
    assert run("--repeats", "1", "--store", str(tmp_path / name)).exit_code == 0
    assert len(Store(tmp_path / name).keys()) == 1


# --- disks


def test_a_read_only_folder_is_found_before_work_starts():
    """Root may write anywhere: it becomes nobody for a moment."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            with pytest.raises(PermissionError):
                Store(folder).prepare()
        finally:
            if root:
                os.seteuid(0)
        assert os.listdir(folder) == []


def limited(size: int):
    """Files no larger than this, for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    return soft, hard


def test_a_place_too_small_for_one_run_is_found_before_work_starts(tmp_path):
    before = limited(ROOM // 2)
    try:
        with pytest.raises(OSError) as caught:
            Store(tmp_path).prepare()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG and os.listdir(tmp_path) == []


def test_a_disk_that_fills_up_ends_the_command_in_a_sentence_and_keeps_what_is_there(tmp_path, quick, monkeypatch):
    before, count, measure = resource.getrlimit(resource.RLIMIT_FSIZE), iter(range(9)), command.measure

    def shrinking(case, repeat):
        if next(count) == 2:
            limited(1000)
        return measure(case, repeat)

    monkeypatch.setattr(command, "measure", shrinking)
    try:
        outcome = run("--repeats", "5", "--store", str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    *runs, sentence = outcome.stderr.splitlines()
    assert len(runs) == 2
    assert outcome.exit_code == 1 and sentence.startswith("error: a run could not be stored in ")
    assert "(File too large); 2 of 5 runs are stored" in sentence
    assert len(list(tmp_path.glob("*.parquet"))) == 2 and not list(tmp_path.glob(".*.partial"))
    monkeypatch.setattr(command, "measure", measure)
    assert "3 runs measured, 2 were there already" in run("--repeats", "5", "--store", str(tmp_path)).stderr


# --- certificates that were spoilt

SPOILT = ["", "{}", "[]", "null", "[" * 100_000, '{"optimum": 1}', b"\xff\xfe".decode("latin-1")]


@pytest.mark.parametrize("content", [*SPOILT, "low", "type", "foreign"])
def test_a_spoilt_certificate_is_named_and_computed_anew(content, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fresh = certificate.__wrapped__
    known = fresh("iris")
    (path,) = (tmp_path / "hessbench" / "certificates").glob("*.json")
    whole = path.read_text()
    spoilt = {
        "low": whole.replace('"low": 0.', '"low": 0.9'),
        "type": whole.replace('"n": 1', '"n": "1'),
        "foreign": '{"sha256": "0", "certificate": {}}',
    }.get(content, content)
    assert spoilt != whole
    path.write_text(spoilt, encoding="latin-1")
    with pytest.warns(UserWarning, match=path.name):
        assert repr(fresh("iris")) == repr(known)
    assert path.read_text() == whole


# --- a function that rounding makes flat


class FlatPoint(Point):
    """f is the same everywhere, as its terms cancel, and the gradient is what rounding left of it."""

    @cached_property
    def value(self):
        return self.x.new_tensor(0.0)

    @cached_property
    def gradient(self):
        return torch.full_like(self.x, 1e-14)

    @cached_property
    def hessian(self):
        return torch.eye(len(self.x), dtype=self.x.dtype)


class Flat(Objective):
    def at(self, x):
        return FlatPoint(self, x)


@pytest.mark.parametrize("name", ["trust-region-exact", "trust-region-steihaug", "trust-region-dogleg", "cubic"])
@pytest.mark.parametrize(("x0", "status"), [((1.0, 2.0), Status.STALLED), ((1.0, 0.0), None)])
def test_a_step_that_is_rejected_for_ever_ends_in_a_status(name, x0, status):
    """It shrinks beyond all numbers; where it cannot move x any more, the run is over."""
    result = minimize(SOLVERS[name], Flat(), torch.tensor(x0, dtype=torch.float64), Stop(iterations=1200))
    assert result.status == status or (status is None and result.status != Status.CONVERGED)


# --- nothing in a file is run

NEVER = {"eval", "exec", "compile", "__import__"}
UNPICKLING = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}


def calls(source: str):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from ("import " + name for name in names if name.split(".")[0] in UNPICKLING)
        if not isinstance(node, ast.Call):
            continue
        name, options = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
        if name in NEVER or name.endswith((".read_pickle", "os.system", "os.popen")) or name == "torch.load":
            yield name
        if name in ("np.load", "numpy.load") and options.get("allow_pickle") != "False":
            yield name
        if options.get("shell", "False") != "False" or options.get("verify", "True") == "False":
            yield name


@pytest.mark.parametrize(
    "source",
    ["eval(x)", "torch.load(f)", "np.load(f)", "import pickle", "from yaml import load", "run(x, shell=True)"],
)
def test_the_reader_of_sources_sees_what_runs_data(source):
    assert list(calls(source))


@pytest.mark.parametrize("package", ["solvers", "datasets", "benchmarks", "reports"])
def test_nothing_is_unpickled_or_evaluated(package):
    sources = {path.relative_to(ROOT): path.read_text() for path in (ROOT / package).rglob("*.py")}
    assert not [f"{path}: {call}" for path, source in sources.items() for call in calls(source)]
    assert not [path for path, source in sources.items() if '"http://' in source]
