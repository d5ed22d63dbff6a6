"""Optimisers of torch in our loop: the same iterates as in a loop of torch's own, and nothing is left uncounted."""

from __future__ import annotations

import math
import pickle
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from datasets import build
from solvers import Status, Stop, minimize
from solvers.adapters import TorchOptimizer
from solvers.common.names import library
from solvers.named import canonical, label, solver_named
from solvers.objectives import FunctionObjective
from tests.solvers.helpers import BOWL, ROSENBROCK, normal, softmax, vector

FEW = Stop(gap_tolerance=None, iterations=12)
TORCHS = ("ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop")


def by_torch(optimizer, function, x0, steps):
    """The iterates of the loop that every tutorial has."""
    x = x0.clone().requires_grad_()
    made, found = optimizer([x]), [x0]

    def closure():
        made.zero_grad()
        value = function(x)
        value.backward()
        return value

    for _ in range(steps):
        made.step(closure)
        found.append(x.detach().clone())
    return found


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("name", "settings"),
    [(name, {}) for name in TORCHS]
    + [("SGD", dict(lr=1e-3, momentum=0.9, nesterov=True)), ("Adam", dict(lr=0.1, weight_decay=0.1, amsgrad=True))]
    + [("LBFGS", {}), ("LBFGS", dict(line_search_fn="strong_wolfe", max_iter=3))],
)
def test_the_iterates_are_those_of_torchs_own_loop(name, settings, dtype):
    start = vector(-1.2, 1.0).to(dtype)
    found = minimize(TorchOptimizer(name, **settings), ROSENBROCK, start, FEW).trace.iterates
    wanted = by_torch(lambda parts: getattr(torch.optim, name)(parts, **settings), ROSENBROCK.f, start, 12)
    # Rprop does not move where a sign changes; here the next step belongs to the same iteration.
    wanted = [wanted[0], *(b for a, b in pairwise(wanted) if not torch.equal(a, b))]
    assert len(found) > 2
    for mine, theirs in zip(found, wanted, strict=False):
        assert torch.equal(mine, theirs) or not bool(theirs.isfinite().all())


def test_a_run_evaluates_each_point_once_and_a_second_run_gives_the_same_bits():
    problem, solver = build("breast-cancer-l2"), TorchOptimizer("Adam", lr=0.1)
    first, second = (minimize(solver, problem.objective, problem.x0, FEW) for _ in range(2))
    assert first.counters["values"] == first.counters["gradients"] + 1 == 13
    assert torch.equal(first.x, second.x) and first.counters == second.counters
    assert first.value < float(problem.objective.at(problem.x0).value)


def test_trial_points_of_a_closure_are_counted_and_the_last_is_not_evaluated_again():
    seen = []

    def bowl(x):
        seen.append(x.detach().clone())
        return (x**4).sum()

    solver = TorchOptimizer("LBFGS", max_iter=2, line_search_fn="strong_wolfe")
    result = minimize(solver, FunctionObjective(bowl), vector(1.0, 2.0), Stop(None, iterations=3))
    assert len(seen) == result.counters["values"]
    assert result.iterations == 3 < result.counters["gradients"] <= result.counters["values"]


def test_convergence_is_proved_as_for_every_other_solver_and_too_large_a_rate_diverges():
    above = FunctionObjective(lambda x: x.square().sum() + 1)  # f* = 1, to which the tolerance is relative
    converged = minimize(TorchOptimizer("Rprop"), above, vector(3.0, -2.0))
    assert converged.status == Status.CONVERGED and converged.counters["stopping_tests"] > 0
    assert converged.gap_bound is not None
    assert minimize(TorchOptimizer("SGD", lr=1e6), BOWL, vector(3.0, -2.0)).status == Status.DIVERGED
    stalled = minimize(TorchOptimizer("SGD", lr=0.0), BOWL, vector(3.0, -2.0))
    assert stalled.status == Status.STALLED and stalled.iterations == 0


# --- matrices


def test_an_objective_with_shapes_is_given_as_its_matrices_and_a_vector_is_one_sentence():
    problem = softmax(60, 4, 3, l2=0.1)
    muon, Q = TorchOptimizer("Muon", lr=0.1, weight_decay=0.0, momentum=0.0), problem.at(problem.zeros()).gradient
    step = minimize(muon, problem, stop=Stop(None, iterations=1)).x.view(3, 4)
    U, _, V = torch.linalg.svd(-Q.view(3, 4), full_matrices=False)
    nearest = U[:, :2] @ V[:2]  # the rows of the gradient add up to 0
    assert float((step * nearest).sum() / (step.norm() * nearest.norm())) > 0.97  # by five iterations, in 8 bits
    with pytest.raises(ValueError, match=r"torch.optim.Muon refuses parameters of shape \(2,\): .*2D"):
        minimize(muon, BOWL, vector(1.0, 2.0))


def test_shapes_that_do_not_fit_are_one_sentence():
    wrong = FunctionObjective(lambda x: x.square().sum())
    wrong.shapes = [(2, 2)]
    with pytest.raises(ValueError, match="hold 4 numbers and x has 3"):
        minimize(TorchOptimizer("SGD"), wrong, vector(1.0, 2.0, 3.0))


# --- classes of other packages


class Curved(torch.optim.Optimizer):
    """x - H z for a fixed z: what AdaHessian does with its gradients."""

    def __init__(self, params, z=1.0):
        super().__init__(params, dict(z=z))

    @torch.no_grad()
    def step(self, closure=None, hessian=None):
        parts = self.param_groups[0]["params"]
        zs = [torch.full_like(part, self.defaults["z"]) for part in parts]
        products = torch.autograd.grad([part.grad for part in parts], parts, zs)
        for part, product in zip(parts, products, strict=True):
            part.grad.mul_(0.0)  # it may write to what it is given
            part.sub_(product)


class Idle(torch.optim.SGD):
    """Prepares itself in its first step, as SOAP does."""

    def step(self, closure=None):
        if not self.state.setdefault("ready", {}):
            self.state["ready"]["now"] = 1
            return None
        return super().step(closure)


class Noisy(torch.optim.SGD):
    def step(self, closure=None):
        with torch.no_grad():
            part = self.param_groups[0]["params"][0]
            part.add_(torch.randn_like(part) * float(np.random.random()))


class Fragile(torch.optim.SGD):
    def step(self, closure=None):
        if not self.param_groups[0]["params"][0].grad.isfinite().all():
            raise torch.linalg.LinAlgError("the matrix has entries that are not finite")
        return super().step()


class Writing(torch.optim.SGD):
    """Changes the gradients that it is given, as clipping and centring do."""

    def step(self, closure=None):
        with torch.no_grad():
            self.param_groups[0]["params"][0].grad.mul_(2.0)
        return super().step()


class Perturbed(torch.optim.SGD):
    """Asks for the gradient beside x, as SAM does, and cannot do without a closure."""

    def step(self, closure=None):
        (part,) = self.param_groups[0]["params"]
        part.data.add_(1.0)
        closure()
        part.data.sub_(1.0)
        part.data.sub_(part.grad)


@pytest.mark.parametrize("shapes", [None, [(2, 2), (1,)]])
def test_a_gradient_that_is_differentiated_again_gives_counted_products_with_the_hessian(shapes):
    A = normal(5, 5)
    H = A @ A.T
    quartic = FunctionObjective(lambda x: x @ H @ x / 2)
    quartic.shapes = shapes
    solver, start = TorchOptimizer(Curved, z=2.0), normal(5, seed=1)
    assert solver.create_graph and solver.needs == "hvp"
    point = quartic.at(start)
    kept = point.gradient.clone()
    arrived, _ = solver.step(point, solver.init(point))
    assert torch.allclose(arrived.x, start - H @ torch.full((5,), 2.0, dtype=torch.float64), rtol=1e-12)
    assert torch.equal(point.gradient, kept)
    result = minimize(solver, quartic, start, Stop(None, iterations=4))
    assert result.counters["hessian_vector_products"] == 4


def test_an_optimiser_that_writes_to_its_gradients_leaves_those_of_the_point_as_they_are():
    point, solver = BOWL.at(vector(3.0, -2.0)), TorchOptimizer(Writing, lr=0.1)
    arrived, _ = solver.step(point, solver.init(point))
    assert point.gradient.tolist() == [6.0, -4.0] and torch.allclose(arrived.x, vector(1.8, -1.2))


def test_a_step_that_only_prepares_is_no_stall():
    assert minimize(TorchOptimizer(Idle, lr=0.4), BOWL, vector(3.0, -2.0)).status == Status.CONVERGED


def test_random_numbers_are_a_runs_own_and_those_of_the_caller_stay():
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    runs = [minimize(TorchOptimizer(Noisy, seed=seed), BOWL, vector(3.0, -2.0), FEW).x for seed in (0, 0, 1)]
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])
    x = minimize(TorchOptimizer(Noisy), BOWL, vector(3.0, -2.0), FEW).trace.iterates
    assert not torch.allclose(x[1] - x[0], x[2] - x[1])  # the second step draws other numbers than the first
    assert torch.equal(before[0], torch.get_rng_state()) and (before[1] == np.random.get_state()[1]).all()


def test_an_optimiser_that_raises_on_a_gradient_that_is_not_finite_has_diverged_and_others_raise():
    edge = FunctionObjective(lambda x: torch.where(x > 0.5, x, x.sqrt()).sum() - x.sum())
    found = minimize(TorchOptimizer(Fragile), edge, torch.zeros(2, dtype=torch.float64), FEW)
    assert found.status == Status.DIVERGED
    with pytest.raises(RuntimeError, match="does not support dense gradients"):
        minimize(TorchOptimizer("SparseAdam"), BOWL, vector(1.0, 1.0))


def test_a_closure_is_offered_to_classes_of_others():
    result = minimize(TorchOptimizer(Perturbed), BOWL, vector(0.0, 0.0), Stop(None, iterations=1))
    assert result.x.tolist() == [-2.0, -2.0] and result.counters["gradients"] >= 2


@pytest.mark.parametrize("name", ["SOAP", "Shampoo", "AdaHessian", "SophiaH", "Kron", "AliG"])
def test_optimisers_of_pytorch_optimizer_go_down_and_repeat(name):
    pytest.importorskip("pytorch_optimizer")
    problem, solver = build("iris"), solver_named(f"torch:pytorch_optimizer.{name}")
    first, second = (minimize(solver, problem.objective, problem.x0, Stop(None, iterations=20)) for _ in range(2))
    assert first.iterations == 20 and torch.equal(first.x, second.x)
    assert first.value < float(problem.objective.at(problem.x0).value)
    assert (first.counters["hessian_vector_products"] > 0) == (name in ("AdaHessian", "SophiaH"))
    assert solver.package.startswith("pytorch_optimizer ")


# --- settings and names


def test_settings_are_the_solver_and_nothing_else_is():
    solver = TorchOptimizer(torch.optim.Adam, lr=1e-3, betas=[0.8, 0.9])
    assert solver == TorchOptimizer("Adam", betas=(0.8, 0.9), lr=1e-3) and hash(solver)
    assert asdict(solver)["settings"] == (("betas", (0.8, 0.9)), ("lr", 1e-3)) and solver.package == ""
    assert pickle.loads(pickle.dumps(solver)) == solver
    assert replace(solver, lr=0.1) == TorchOptimizer("Adam", lr=0.1, betas=(0.8, 0.9))
    minimize(solver, BOWL, vector(1.0, 1.0), FEW)
    assert set(vars(solver)) == {"optimizer", "settings", "create_graph", "seed"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TorchOptimizer("Adm"), "unknown optimiser of torch.optim 'Adm': did you mean Adam"),
        (lambda: TorchOptimizer("Optimizer"), "unknown optimiser"),
        (lambda: TorchOptimizer("Adam", rate=1.0), "torch.optim.Adam has no setting 'rate': it has lr, betas, eps"),
        (lambda: TorchOptimizer("Adam", lr=-1.0), "torch.optim.Adam refuses these settings: Invalid learning rate"),
        (lambda: TorchOptimizer("no_such_package.SOAP"), "needs the module 'no_such_package' .*: install its package"),
        (lambda: solver_named("torch:Adam:lr="), "cannot be read: write them as torch:SGD:lr=0.1"),
        (lambda: solver_named("torch:Adam:0.1"), "cannot be read"),
        (lambda: solver_named("torch:Adam:lr=open(1)"), "cannot be read"),
        (lambda: solver_named("torch:"), "unknown optimiser of torch.optim ''"),
        (lambda: solver_named("newtn"), "unknown solver 'newtn': did you mean newton"),
    ],
)
def test_what_is_wrong_is_one_sentence(make, words):
    with pytest.raises(ValueError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_name_has_one_spelling_and_is_no_peers():
    written = "torch:SGD:nesterov=true,lr=1e-1, momentum=0.9"
    name = canonical(written)
    assert name == "torch:SGD:lr=0.1,momentum=0.9,nesterov=True" == canonical(name)
    assert solver_named(written) == TorchOptimizer("SGD", lr=0.1, momentum=0.9, nesterov=True) == solver_named(name)
    assert label(name) == "SGD lr=0.1,momentum=0.9,nesterov=True" and library(name) == ""
    assert canonical("torch:Adam") == "torch:Adam" and label("torch:Adam") == "Adam" and label("newton") == "newton"
    assert canonical("newton") == "newton" and library("torch.optim:LBFGS") == "torch.optim"
    searched = canonical("torch:LBFGS:line_search_fn=strong_wolfe,max_eval=none")
    assert searched == "torch:LBFGS:line_search_fn=strong_wolfe,max_eval=None"
    assert math.isclose(dict(solver_named("torch:Adam:eps=1e-8,betas=(0.5,0.6)").settings)["betas"][1], 0.6)
