"""Wrong arguments are one clear sentence before the first iteration, and odd but right ones are accepted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from solvers import (
    KFAC,
    LBFGS,
    SOLVERS,
    ArmijoGradientDescent,
    BarzilaiBorwein,
    CholeskyNewton,
    Cubic,
    DampedDiagonalNewton,
    DampedNewton,
    DiagonalNewton,
    ExactTrustRegion,
    FixedHessianNewton,
    GradientDescent,
    GradientRegularisedNewton,
    HutchinsonNewton,
    LevenbergMarquardt,
    LevenbergNewton,
    Nesterov,
    Newton,
    NewtonCG,
    SampledNewton,
    SelfConcordantNewton,
    ShamanskiiNewton,
    SketchedNewton,
    Status,
    SteihaugTrustRegion,
    Stop,
    TrustRegion,
    minimize,
)
from solvers.common.names import lookup
from solvers.objectives import FunctionObjective, LogisticRegression

X = torch.tensor([[1.0, 0.5], [-1.0, 1.0], [2.0, -1.0]], dtype=torch.float64)
Y = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
GOOD = LogisticRegression(X, Y, l2=0.1)
NEWTON = CholeskyNewton()


def with_entry(array: torch.Tensor, *values: float) -> torch.Tensor:
    array = array.clone()
    array.flatten()[: len(values)] = torch.tensor(values, dtype=array.dtype)
    return array


def problem(x=X, y=Y, **settings):
    return lambda: LogisticRegression(x, y, **settings)


def run(solver=NEWTON, objective=GOOD, x0=None, stop=Stop()):
    return lambda: minimize(solver, objective, x0, stop)


nan, inf = math.nan, math.inf
# what is wrong: (the call, the exception, what its message must name)
WRONG = {
    "rows and labels differ": (problem(y=Y[:2]), ValueError, ["(3,)", "(3, 2)", "(2,)"]),
    "y is a column": (problem(y=Y.unsqueeze(1)), ValueError, ["(3, 1)", "(3,)", "squeeze"]),
    "y is a scalar": (problem(y=Y[0]), ValueError, ["()", "(3,)"]),
    "X is a vector": (problem(X[:, 0]), ValueError, ["(3,)"]),
    "X has three dimensions": (problem(X.unsqueeze(0)), ValueError, ["(1, 3, 2)"]),
    "labels are -1 and 1": (problem(y=2 * Y - 1), ValueError, ["[0, 1]", "-1"]),
    "labels are 1 and 2": (problem(y=Y + 1), ValueError, ["[0, 1]", "2"]),
    "one label a little too large": (problem(y=with_entry(Y, 1.5)), ValueError, ["1.5"]),
    "a NaN in X": (problem(with_entry(X, nan)), ValueError, ["X", "1 NaN"]),
    "infinities in X": (problem(with_entry(X, inf, -inf)), ValueError, ["X", "2 infinite"]),
    "both in X": (problem(with_entry(X, inf, nan, nan)), ValueError, ["X", "2 NaN", "1 infinite"]),
    "a NaN in a CSR X": (problem(with_entry(X, nan).to_sparse_csr()), ValueError, ["X", "1 NaN"]),
    "a NaN in y": (problem(y=with_entry(Y, nan)), ValueError, ["y", "1 NaN"]),
    "an infinity in y": (problem(y=with_entry(Y, inf)), ValueError, ["y", "1 infinite"]),
    "a NaN in x0": (run(x0=torch.tensor([nan, 0.0])), ValueError, ["x0", "1 NaN"]),
    "x0 overflows in X's dtype": (
        run(objective=LogisticRegression(X.float(), Y), x0=torch.tensor([1e300, 0.0], dtype=torch.float64)),
        ValueError,
        ["x0", "1 infinite"],
    ),
    "x0 of another length": (run(x0=torch.zeros(3)), ValueError, ["x0", "(2,)", "(3,)"]),
    "x0 is a column": (run(x0=torch.zeros(2, 1)), ValueError, ["x0", "(2, 1)"]),
    "x0 is a scalar": (run(x0=torch.tensor(1.0)), ValueError, ["x0", "()"]),
    "x0 is empty": (run(objective=FunctionObjective(torch.sum), x0=torch.zeros(0)), ValueError, ["x0", "(0,)"]),
    "X is complex": (problem(X.to(torch.complex128)), TypeError, ["X", "complex"]),
    "y is complex": (problem(y=Y.to(torch.complex64)), TypeError, ["y", "complex"]),
    "x0 is complex": (run(x0=torch.zeros(2, dtype=torch.complex64)), TypeError, ["x0", "complex"]),
    "X is a NumPy array": (problem(X.numpy()), TypeError, ["X", "ndarray", "torch.as_tensor"]),
    "X is an object array": (problem(X.numpy().astype(object)), TypeError, ["X", "torch.as_tensor"]),
    "y is a NumPy array": (problem(y=Y.numpy()), TypeError, ["y", "torch.as_tensor"]),
    "y is a list": (problem(y=[1, 0, 0]), TypeError, ["y", "list", "torch.as_tensor"]),
    "x0 is a NumPy array": (run(x0=np.zeros(2)), TypeError, ["x0", "torch.as_tensor"]),
    "X is sparse COO": (problem(X.to_sparse_coo()), TypeError, ["X", "sparse_coo", "CSR"]),
    "X is sparse CSC": (problem(X.to_sparse_csc()), TypeError, ["X", "sparse_csc", "CSR"]),
    "y is sparse": (problem(y=Y.to_sparse_coo()), TypeError, ["y", "dense"]),
    "X holds no numbers": (problem(X.to("meta")), TypeError, ["X", "meta"]),
    "no rows": (problem(X[:0], Y[:0]), ValueError, ["no rows"]),
    "no columns, no intercept": (problem(X[:, :0]), ValueError, ["no columns", "fit_intercept"]),
    "an unknown reduction": (problem(reduction="max"), ValueError, ["reduction", "'max'", "mean", "sum"]),
    "l2 is negative": (problem(l2=-0.1), ValueError, ["l2", "-0.1"]),
    "l2 is NaN": (problem(l2=nan), ValueError, ["l2", "nan"]),
    "l2 is infinite": (problem(l2=inf), ValueError, ["l2", "inf"]),
    "l2 is a string": (problem(l2="0.1"), TypeError, ["l2", "'0.1'"]),
    "l2 is a bool": (problem(l2=True), TypeError, ["l2", "True"]),
    "iterations are negative": (lambda: Stop(iterations=-1), ValueError, ["iterations", "-1"]),
    "iterations are a float": (lambda: Stop(iterations=10.0), TypeError, ["iterations", "10.0"]),
    "iterations are a bool": (lambda: Stop(iterations=True), TypeError, ["iterations", "True"]),
    "iterations are None": (lambda: Stop(iterations=None), TypeError, ["iterations", "None"]),
    "gap_tolerance is negative": (lambda: Stop(gap_tolerance=-1e-9), ValueError, ["gap_tolerance", "-1e-09"]),
    "gap_tolerance is NaN": (lambda: Stop(gap_tolerance=nan), ValueError, ["gap_tolerance", "nan"]),
    "gap_tolerance is a string": (lambda: Stop(gap_tolerance="1e-9"), TypeError, ["gap_tolerance"]),
    "gradient_tolerance is negative": (lambda: Stop(gradient_tolerance=-1.0), ValueError, ["gradient_tolerance"]),
    "seconds are negative": (lambda: Stop(seconds=-1.0), ValueError, ["seconds", "-1.0"]),
    "seconds are NaN": (lambda: Stop(seconds=nan), ValueError, ["seconds", "nan"]),
    "stop is a number": (run(stop=100), TypeError, ["stop", "int", "Stop("]),
    "no start for a function": (run(objective=FunctionObjective(torch.sum)), ValueError, ["x0"]),
    "no start for a bare objective": (run(objective=type("Own", (), {"at": print})()), ValueError, ["Own", "x0"]),
    "the objective is a function": (run(objective=torch.sum), TypeError, ["at(x)", "FunctionObjective"]),
    "f is not a function": (lambda: FunctionObjective(3), TypeError, ["int"]),
    "f returns a vector": (
        run(objective=FunctionObjective(torch.sin), x0=torch.ones(2)),
        TypeError,
        ["scalar", "(2,)"],
    ),
    "at returns no Point": (run(objective=type("Own", (), {"at": lambda self, x: 3})(), x0=Y), TypeError, ["Point"]),
    "the solver is a class": (run(Newton), TypeError, ["class", "Newton()"]),
    "the solver is a name": (run("newton"), TypeError, ["'newton'", "SOLVERS"]),
    "an unknown name": (lambda: lookup(SOLVERS, "newton-colesky", "solver"), ValueError, ["newton-cholesky"]),
    "a name like no other": (
        lambda: lookup(SOLVERS, "?", "solver"),
        ValueError,
        [*[*SOLVERS][:8], "in all"],
    ),
}
POSITIVE = [
    (GradientDescent, "learning_rate"),
    (DiagonalNewton, "learning_rate"),
    (CholeskyNewton, "shrink"),
    (DampedNewton, "sufficient"),
    (DampedDiagonalNewton, "shrink"),
    (DampedDiagonalNewton, "floor"),
    (LevenbergNewton, "initial_shift"),
    (LevenbergNewton, "gamma_dec"),
]
NON_NEGATIVE = [(Newton, "damping"), (DiagonalNewton, "eps")]
REFUSED = {  # values of one setting, the others at their defaults
    LevenbergNewton: dict(eta0=[0.5], gamma_inc=[1.0]),
    LevenbergMarquardt: dict(initial_shift=[0.0], eta0=[0.0]),
    GradientRegularisedNewton: dict(gamma_inc=[1.0], initial_shift=[0.0]),
    SelfConcordantNewton: dict(constant=[0.0, -1.0]),
    NewtonCG: dict(
        forcing=[0.0, 1.0, -0.5, nan, "0.5"], cg_iterations=[0, -1, 2.0, True], shrink=[1.0], sufficient=[0.0]
    ),
    ShamanskiiNewton: dict(steps=[0], contraction=[0.0]),
    SampledNewton: dict(share=[0.0, 1.0], memory=[0], rows_per_coefficient=[2.5]),
    SketchedNewton: dict(rows_per_coefficient=[0], seed=[-1]),
    FixedHessianNewton: dict(shrink=[1.5]),
    HutchinsonNewton: dict(probes=[0], average=[1.0], floor=[0.0]),
    KFAC: dict(initial_shift=[0.0], eta0=[0.0, 1.0]),
    LBFGS: dict(curvature=[1.0, 1e-5], sufficient=[0.0, 0.5], memory=[0]),
    TrustRegion: dict(initial_radius=[0.0], eta0=[0.3], eta1=[0.9], eta2=[1.0], gamma_dec=[1.0], gamma_inc=[1.0, -1]),
    ExactTrustRegion: dict(accuracy=[1.0, 0.0]),
    SteihaugTrustRegion: dict(forcing=[1.0], cg_iterations=[0]),
    Cubic: dict(initial_sigma=[0.0], eta0=[0.95], eta2=[1.0], gamma_inc=[1.0], gamma_dec=[0.5, -2.0]),
    ArmijoGradientDescent: dict(shrink=[1.0], grow=[0.5], sufficient=[0.0]),
    BarzilaiBorwein: dict(rule=["middling"], memory=[0], shrink=[2.0]),
    Nesterov: dict(shrink=[0.0], grow=[0.9]),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_argument_is_named_in_one_sentence(what):
    call, error, names = WRONG[what]
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert type(caught.value) is error
    assert all(name in message for name in names), message
    assert "\n" not in message and len(message) < 200


@pytest.mark.parametrize("solver, setting", POSITIVE + NON_NEGATIVE)
@pytest.mark.parametrize("value", [-0.1, nan, inf, -inf])
def test_a_setting_that_makes_no_sense_is_a_value_error(solver, setting, value):
    with pytest.raises(ValueError, match=f"{setting}.*{value}"):
        solver(**{setting: value})


@pytest.mark.parametrize("solver, setting", POSITIVE + NON_NEGATIVE)
@pytest.mark.parametrize("value", ["1", None, True])
def test_a_setting_that_is_no_number_is_a_type_error(solver, setting, value):
    with pytest.raises(TypeError, match=setting):
        solver(**{setting: value})


@pytest.mark.parametrize("solver", REFUSED)
def test_settings_that_make_no_sense_are_refused(solver):
    for setting, refused in REFUSED[solver].items():
        for value in refused:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            whole = not isinstance(value, float) or not isinstance(getattr(solver(), setting), int)
            error = ValueError if (number and whole) or setting == "rule" else TypeError
            with pytest.raises(error, match=setting):
                solver(**{setting: value})


def test_zero_is_refused_only_where_it_makes_no_sense():
    for solver, setting in POSITIVE:
        with pytest.raises(ValueError, match=setting):
            solver(**{setting: 0})
    for solver, setting in NON_NEGATIVE:
        assert getattr(solver(**{setting: 0}), setting) == 0


@pytest.mark.parametrize(
    "given, used",
    [
        (torch.bool, torch.float64),
        (torch.uint8, torch.float64),
        (torch.int64, torch.float64),
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
@pytest.mark.parametrize("csr", [False, True])
def test_x_sets_the_dtype_of_y_and_x0(given, used, csr):
    x = torch.tensor([[1, 0], [0, 1], [1, 1]]).to(given)
    for y in (Y, Y.float(), Y.long(), Y.bool(), Y.half()):
        objective = LogisticRegression(x.to_sparse_csr() if csr else x, y, l2=0.1)
        assert objective.X.dtype == objective.y.dtype == objective.zeros().dtype == used
        for start in (None, torch.ones(2), torch.ones(2, dtype=torch.int32), torch.ones(2, dtype=torch.float16)):
            result = minimize(NEWTON, objective, start)
            assert result.x.dtype == used and result.status == Status.CONVERGED


def test_a_function_takes_its_dtype_from_x0():
    for given, used in ((torch.int64, torch.float64), (torch.float16, torch.float32), (torch.float32, torch.float32)):
        assert minimize(NEWTON, FunctionObjective(lambda x: (x * x).sum()), torch.ones(2, dtype=given)).x.dtype == used


def test_arrays_that_require_gradients_are_taken_as_plain_numbers():
    objective = LogisticRegression(X.clone().requires_grad_(), Y.clone().requires_grad_(), l2=0.1)
    result = minimize(NEWTON, objective, torch.zeros(2, dtype=torch.float64, requires_grad=True))
    assert torch.equal(result.x, minimize(NEWTON, GOOD).x) and not result.x.requires_grad


@pytest.mark.parametrize("name", SOLVERS)
def test_an_intercept_alone_is_solved(name):
    solver = GradientDescent(4.0) if name == "gradient-descent" else SOLVERS[name]
    result = minimize(solver, LogisticRegression(X[:, :0], Y, fit_intercept=True))
    assert result.status == Status.CONVERGED
    assert float(result.x) == pytest.approx(math.log(1 / 2), abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("csr", [False, True])
def test_a_finite_x_whose_sum_overflows_is_accepted(dtype, csr):
    huge = torch.full((4, 1), 0.9 * torch.finfo(dtype).max, dtype=dtype)
    assert not bool(huge.sum().isfinite())
    LogisticRegression(huge.to_sparse_csr() if csr else huge, torch.tensor([1.0, 0.0, 1.0, 0.0]))


def test_views_and_transposes_are_the_same_problem(logistic):
    given = logistic(l2=0.1)
    view = torch.cat([given.X.T, given.X.T])[:4].T
    strided = torch.stack([given.y, 1 - given.y], dim=1)[:, 0]
    assert not view.is_contiguous() and not strided.is_contiguous()
    wanted = minimize(NEWTON, given).x
    assert torch.allclose(minimize(NEWTON, LogisticRegression(view, strided, l2=0.1)).x, wanted, rtol=1e-12, atol=0)
