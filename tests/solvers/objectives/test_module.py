"""A user's own module: its derivatives are those of autograd, and its weights change by `load` alone."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.autograd.functional import hessian, jacobian
from torch.func import functional_call
from torch.nn import functional

from benchmarks.audit.simulated_cuda import SimulatedCuda
from solvers import SOLVERS, Ledger, Status, Stop, minimize
from solvers.common.instrumentation import current
from solvers.objectives import ModuleObjective, ResidualMLP
from solvers.objectives.module import objective as module_objective
from solvers.objectives.module.losses import is_convex
from solvers.objectives.taylor_check import check_derivatives
from tests.solvers.helpers import close, network, normal

ROWS = 12
X, Y = normal(ROWS, 5), normal(ROWS, 3, seed=1)
CLASSES = torch.arange(ROWS) % 3
IMAGES, SERIES, WORDS = normal(ROWS, 2, 6, 6), normal(ROWS, 4, 5), torch.arange(2 * ROWS).view(ROWS, 2) % 4


def seeded(make, seed=0):
    torch.manual_seed(seed)
    return make().double()


FITTING = (
    "gauss-newton",
    "levenberg-marquardt",
    "kfac",
    "newton-cg",
    "lbfgs",
    "newton-cholesky",
    "trust-region-steihaug",
)


class Residual(nn.Module):
    """The network of ResidualMLP."""

    def __init__(self, net: ResidualMLP) -> None:
        super().__init__()
        d, k = net.X.shape[1], net.Y.shape[1]
        self.hidden = nn.ModuleList(nn.Linear(d, d) for _ in range(net.depth))
        self.last = nn.Linear(d, k)

    def forward(self, h):
        for layer in self.hidden:
            h = torch.tanh(layer(h)) + h
        return self.last(h)


class Twice(nn.Module):
    """One layer applied twice, and a second name for its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.tied, self.last = nn.Linear(5, 5), nn.Linear(5, 5, bias=False), nn.Linear(5, 3)
        self.tied.weight = self.layer.weight

    def forward(self, h):
        return self.last(torch.tanh(self.tied(torch.tanh(self.layer(h)))))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.last = nn.LSTM(5, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, h):
        return self.last(self.lstm(h)[0][:, -1])


class Attention(nn.Module):
    """Self-attention by the fused kernel, which has no second derivative of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.last = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, h):
        q = self.query(h).unsqueeze(1)
        return self.last(functional.scaled_dot_product_attention(q, q, q).squeeze(1).mean(1))


class TwoHeads(nn.Module):
    """Two inputs by name, two outputs, a frozen weight and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.classes, self.number = nn.Linear(5, 4), nn.Linear(4, 3), nn.Linear(4, 1)
        self.body.bias.requires_grad_(False)
        self.register_buffer("scale", torch.full((4,), 0.5))

    def forward(self, h, shift):
        h = torch.tanh(self.body(h) * self.scale + shift)
        return {"classes": self.classes(h), "number": self.number(h).squeeze(1)}


def both(outputs, targets):
    classes = functional.cross_entropy(outputs["classes"], targets[0])
    return classes + functional.mse_loss(outputs["number"], targets[1])


def convolution():
    layers = (nn.Conv2d(2, 4, 3, padding=1, stride=2), nn.ReLU(inplace=True), nn.Conv2d(4, 3, 2, dilation=2), nn.Tanh())
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(3, 3))


MAKE = {
    "mlp": (lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)), functional.cross_entropy, X, CLASSES),
    "squared error": (lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)), nn.MSELoss(), X, Y),
    "sum": (lambda: nn.Linear(5, 3), nn.BCEWithLogitsLoss(reduction="sum"), X, Y.sigmoid()),
    "tied": (Twice, functional.cross_entropy, X, CLASSES),
    "convolution": (convolution, nn.CrossEntropyLoss(label_smoothing=0.1), IMAGES, CLASSES),
    "recurrent": (Recurrent, functional.cross_entropy, SERIES, CLASSES),
    "attention": (Attention, functional.cross_entropy, SERIES, CLASSES),
    "embedding": (
        lambda: nn.Sequential(nn.Embedding(4, 3), nn.Flatten(), nn.LayerNorm(6), nn.Linear(6, 3)),
        functional.cross_entropy,
        WORDS,
        CLASSES,
    ),
    "batch norm": (
        lambda: nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3), nn.Dropout()).eval(),
        functional.cross_entropy,
        X,
        CLASSES,
    ),
    "two heads": (TwoHeads, both, {"h": X, "shift": 0.1}, (CLASSES, Y[:, 0])),
}
LAYERED = ("mlp", "squared error", "sum", "convolution", "attention")  # which K-FAC knows all layers of


def made(name: str, **settings) -> ModuleObjective:
    make, loss, inputs, targets = MAKE[name]
    return ModuleObjective(seeded(make), loss, inputs, targets, **{"convex_loss": True, **settings})


def written(f: ModuleObjective):
    """The loss written out from the user's module, and its outputs, as functions of a flat vector."""
    model, names = copy.deepcopy(f.model), [name for name, p in f.model.named_parameters() if p.requires_grad]
    shapes = [p.shape for p in f.model.parameters() if p.requires_grad]

    def outputs(x):
        parts = x.split([shape.numel() for shape in shapes])
        weights = {name: part.view(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}
        named = isinstance(f.inputs, dict)
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            return functional_call(model, weights, () if named else (f.inputs,), f.inputs if named else {})

    return lambda x: f.loss(outputs(x), f.targets) + f.l2 / 2 * x.square().sum(), outputs


@pytest.mark.parametrize("settings", [{}, {"l2": 0.3}, {"l2": 0.3, "rows_per_chunk": 5}], ids=str)
@pytest.mark.parametrize("name", MAKE)
def test_derivatives_are_those_of_torch_autograd_functional(name, settings):
    f = made(name, **settings)
    x, loss = f.start() + 0.1 * normal(f.size, seed=2), written(f)[0]
    point, v, H = f.at(x), normal(f.size, seed=3), hessian(loss, x)
    close(point.value, loss(x))
    close(point.gradient, jacobian(loss, x))
    close(point.hessian, H)
    close(f.at(x).hvp(v), H @ v)


@pytest.mark.parametrize("name", MAKE)
def test_taylor_remainders_have_slopes_two_and_three(name):
    f = made(name)
    smooth = {"reach": lambda v: 1e-3} if name == "convolution" else {}  # relu has kinks
    loss = written(f)[0]
    assert all(check.passed for check in check_derivatives(f, f.start(), loss, **smooth))


@pytest.mark.parametrize("settings", [{}, {"l2": 0.3, "rows_per_chunk": 5}], ids=str)
@pytest.mark.parametrize("name", ["mlp", "squared error", "sum", "tied", "convolution", "recurrent"])
def test_the_gauss_newton_matrix_is_that_of_the_outputs_and_of_the_loss_in_them(name, settings):
    f = made(name, **settings)
    x, outputs = f.start(), written(f)[1]
    J = jacobian(lambda x: outputs(x).flatten(), x)
    C = hessian(lambda z: f.loss(z.view_as(outputs(x)), f.targets), outputs(x).flatten())
    wanted, point, v = J.T @ C @ J + f.l2 * torch.eye(f.size, dtype=torch.float64), f.at(x), normal(f.size, seed=3)
    close(point.gauss_newton, wanted)
    close(point.gnvp(v), wanted @ v)


def test_several_outputs_have_a_gauss_newton_matrix_too():
    f = made("two heads")
    x, outputs = f.start(), written(f)[1]

    def flat(x):
        found = outputs(x)
        return torch.cat([found["classes"].flatten(), found["number"]])

    def loss(z):
        return both({"classes": z[: 3 * ROWS].view(ROWS, 3), "number": z[3 * ROWS :]}, f.targets)

    J, C = jacobian(flat, x), hessian(loss, flat(x))
    close(f.at(x).gauss_newton, J.T @ C @ J)


def linear(f: ModuleObjective, matrix) -> torch.Tensor:
    """The matrix (d, d) that Kronecker factors stand for, in the order of x."""
    B = torch.zeros(f.size, f.size, dtype=torch.float64)
    blocks = torch.block_diag(*(torch.kron(left, right) for left, right in matrix.layers))
    B[matrix.order.unsqueeze(1), matrix.order] = blocks
    return B + matrix.penalty * torch.eye(f.size, dtype=torch.float64)


@pytest.mark.parametrize("loss, targets", [(nn.CrossEntropyLoss(), CLASSES[:1]), (nn.MSELoss(), Y[:1])], ids=str)
def test_kronecker_factors_are_exact_block_by_block_for_one_row(loss, targets):
    f = ModuleObjective(seeded(MAKE["mlp"][0]), loss, X[:1], targets, l2=0.2)
    x = f.start()
    found, wanted = linear(f, f.at(x).kronecker_factors), f.at(x).gauss_newton.clone()
    wanted[:24, 24:] = wanted[24:, :24] = 0  # two layers of 4 (5 + 1) and 3 (4 + 1) weights
    close(found, wanted)


def test_kronecker_factors_of_a_convolution_are_exact_where_it_is_applied_once():
    model = seeded(
        lambda: nn.Sequential(nn.Conv2d(2, 3, (2, 3), padding=(0, 1), stride=2, dilation=(2, 1)), nn.Flatten())
    )
    images = normal(1, 2, 3, 2)
    assert model(images).shape == (1, 3)
    f = ModuleObjective(model, nn.CrossEntropyLoss(), images, CLASSES[:1])
    close(linear(f, f.at(f.start()).kronecker_factors), f.at(f.start()).gauss_newton)


def test_an_activation_in_place_does_not_change_the_factors_of_its_layer():
    def factors(activation):
        model = seeded(lambda: nn.Sequential(nn.Linear(5, 4), activation, nn.Linear(4, 3)))
        f = ModuleObjective(model, nn.CrossEntropyLoss(), X, CLASSES)
        return linear(f, f.at(f.start()).kronecker_factors)

    for kind in (nn.ReLU, nn.ELU):
        close(factors(kind(inplace=True)), factors(kind()))


@pytest.mark.parametrize("frozen", ["weight", "bias"])
def test_a_frozen_weight_or_bias_is_no_part_of_its_block(frozen):
    model = seeded(lambda: nn.Linear(5, 3))
    getattr(model, frozen).requires_grad_(False)
    f = ModuleObjective(model, nn.CrossEntropyLoss(), X[:1], CLASSES[:1])
    assert f.size == (3 if frozen == "weight" else 15)
    close(linear(f, f.at(f.start()).kronecker_factors), f.at(f.start()).gauss_newton)


@pytest.mark.parametrize("name", LAYERED)
def test_chunks_have_the_kronecker_factors_of_all_rows(name):
    whole, chunked = made(name, l2=0.1), made(name, l2=0.1, rows_per_chunk=5)
    assert len(chunked.parts) == 3
    found = chunked.at(whole.start()).kronecker_factors
    close(linear(whole, found), linear(whole, whole.at(whole.start()).kronecker_factors))


def squared(outputs, y):
    return (outputs - y).square().sum() / len(y)


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_the_residual_network_agrees_with_its_backpropagation_by_hand(depth):
    net, w = network(depth=depth)
    f = ModuleObjective(seeded(lambda: Residual(net)), squared, net.X, net.Y, convex_loss=True)

    def as_module(v):  # nn.Linear has W^T
        parts = net.blocks(v).items()
        return torch.cat([(part.T if name.startswith("W") else part).flatten() for name, part in parts])

    by_hand, point, v = net.at(w), f.at(as_module(w)), normal(net.size, seed=4)
    close(point.value, by_hand.value)
    close(point.gradient, as_module(by_hand.gradient))
    close(point.hvp(as_module(v)), as_module(by_hand.hvp(v)))
    close(point.gnvp(as_module(v)), as_module(by_hand.gnvp(v)))
    layers = zip(point.kronecker_factors.layers, by_hand.kronecker_factors.layers, strict=True)
    for found, wanted in layers:
        close(found[0], wanted[0])
        close(found[1], wanted[1])


@pytest.mark.parametrize("solver", FITTING)
@pytest.mark.parametrize("settings", [{}, {"rows_per_chunk": 5}], ids=str)
def test_a_network_is_fitted_and_its_module_changed_by_load_alone(solver, settings):
    f = made("mlp", l2=0.05, **settings)
    before = copy.deepcopy(f.model.state_dict())
    result = minimize(SOLVERS[solver], f, stop=Stop(gap_tolerance=1e-4))
    assert result.status is Status.CONVERGED
    assert result.value < f.at(f.start()).float_value
    assert all(torch.equal(value, before[name]) for name, value in f.model.state_dict().items())
    f.load(result)
    assert torch.equal(f.start(), result.x)
    loss = functional.cross_entropy(f.model(X), CLASSES).detach() + 0.025 * result.x.square().sum()
    assert float(loss) == pytest.approx(result.value)
    assert list(result.parameters) == [name for name, _ in f.model.named_parameters()]
    assert torch.equal(result.parameters["2.bias"], f.model[2].bias)


def test_the_default_start_is_the_weights_that_the_module_has_now():
    f = made("mlp")
    with torch.no_grad():
        f.model[0].weight.fill_(0.5)
    assert minimize(SOLVERS["newton-cg"], f, stop=Stop(iterations=0)).x[0] == 0.5


def test_a_module_that_changes_later_does_not_change_f():
    f = made("two heads")
    x = f.start()
    value = f.at(x).float_value
    f.model.train()
    with torch.no_grad():
        f.model.scale.fill_(7)
        f.model.body.bias.fill_(7)
    assert f.at(x).float_value == value


def test_tied_weights_are_one_entry_of_x_and_are_loaded_under_both_names():
    f = made("tied")
    assert f.size == 25 + 5 + 15 + 3 and "tied.weight" not in f.names
    f.load(torch.arange(float(f.size), dtype=torch.float64))
    assert f.model.tied.weight[0, 1] == f.model.layer.weight[0, 1] == 1


def test_the_copy_has_its_own_weights_again_after_each_call_and_after_one_that_raises():
    f = made("tied")
    own = [(part, dict(part._parameters)) for part in f.module.modules()]
    x, whole = f.start() + 1, f.inputs
    assert f.at(x).float_value != f.at(f.start()).float_value
    f.inputs = whole[:, :-1]
    with pytest.raises(RuntimeError):
        _ = f.at(x).value
    for part, weights in own:
        assert all(part._parameters[name] is weight for name, weight in weights.items())


def test_the_kernels_of_attention_that_were_allowed_are_so_after_a_call():
    f, known = made("attention"), torch.backends.cuda
    with torch.nn.attention.sdpa_kernel([torch.nn.attention.SDPBackend.EFFICIENT_ATTENTION]):
        point = f.at(f.start())
        point.hvp(point.gradient)
        flags = known.flash_sdp_enabled(), known.mem_efficient_sdp_enabled(), known.math_sdp_enabled()
    assert flags == (False, True, False)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_a_module_with_a_part_compiled_by_torchscript_is_called_as_any_other():
    plain = seeded(lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)))
    scripted = nn.Sequential(torch.jit.script(copy.deepcopy(plain[:2])), plain[2])
    points = [f.at(f.start() + 1) for f in (ModuleObjective(m, functional.mse_loss, X, Y) for m in (plain, scripted))]
    assert points[1].objective.substitution is None
    close(points[1].gradient, points[0].gradient)


def test_a_gradient_is_one_pass_and_chunks_are_not_counted_one_by_one():
    for settings in ({}, {"rows_per_chunk": 2}):
        f, ledger = made("mlp", **settings), Ledger()
        calls = []
        f.module.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        token = current.set(ledger)
        point = f.at(f.start())
        for _ in range(2):
            _ = point.value, point.gradient, point.hvp(point.x)
        current.reset(token)
        counted = {name: count for name, count in ledger.counts.items() if count}
        assert counted == {"values": 1, "gradients": 1, "hessian_vector_products": 2}
        assert len(calls) == (6 * 4 if settings else 1)


def test_rows_are_computed_in_chunks_where_their_graphs_do_not_fit(monkeypatch):
    monkeypatch.setattr(module_objective, "GRAPH_BYTES", 2000)
    f = made("mlp")
    sizes = [part.rows for _, part in f.parts]
    assert sum(sizes) == ROWS and len(sizes) > 1
    close(f.at(f.start()).gradient, jacobian(written(f)[0], f.start()))
    weighted = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    assert not ModuleObjective(seeded(MAKE["mlp"][0]), weighted, X, CLASSES).parts  # no mean over rows: all at once


def test_the_same_in_single_precision_and_back():
    f = made("mlp", rows_per_chunk=5, l2=0.1)
    single = f.to(torch.float32)
    assert single.dtype == torch.float32 and single.at(single.start()).gradient.dtype == torch.float32
    back = single.to(torch.float64)
    x = single.start().double()
    close(back.at(x).gradient, f.at(x).gradient, 1e-6)  # the data were rounded
    single.load(torch.zeros(single.size))
    assert f.model[0].weight.dtype == torch.float64 and not f.model[0].weight.any()


def test_losses_of_torch_are_known_to_be_convex_and_others_are_not():
    known = (
        functional.cross_entropy,
        partial(functional.mse_loss, reduction="sum"),
        nn.HuberLoss(),
        nn.CrossEntropyLoss(),
    )
    assert all(map(is_convex, known))

    class Own(nn.MSELoss):
        pass

    assert not any(map(is_convex, (squared, functional.l1_loss, functional.nll_loss, nn.NLLLoss(), Own())))


@pytest.mark.parametrize("solver", ["gauss-newton", "levenberg-marquardt", "kfac"])
def test_a_loss_that_is_not_known_to_be_convex_is_said(solver):
    f = ModuleObjective(seeded(MAKE["mlp"][0]), squared, X, Y)
    result = minimize(SOLVERS[solver], f)
    assert result.status is Status.ERROR and "convex_loss=True" in result.message


@pytest.mark.parametrize(
    "name, words", [("recurrent", "lstm.weight_ih_l0"), ("embedding", "0.weight"), ("two heads", "one tensor")]
)
def test_kfac_names_what_it_does_not_know(name, words):
    result = minimize(SOLVERS["kfac"], made(name))
    assert result.status is Status.ERROR and words in result.message and "newton-cg" in result.message


def test_a_hessian_that_cannot_fit_is_refused_before_memory_is_asked_for():
    f = ModuleObjective(nn.Linear(1000, 3000), functional.mse_loss, torch.ones(2, 1000), torch.ones(2, 3000))
    for solver in ("newton", "gauss-newton"):
        with pytest.raises(MemoryError, match="newton-cg"):
            minimize(SOLVERS[solver], f)
    assert minimize(SOLVERS["newton-cg"], f, stop=Stop(iterations=2)).value < f.at(f.start()).float_value


def test_second_derivatives_that_torch_computes_wrongly_are_refused():
    f = ModuleObjective(
        seeded(lambda: nn.utils.parametrizations.weight_norm(nn.Linear(5, 3))), nn.CrossEntropyLoss(), X, CLASSES
    )
    with pytest.raises(RuntimeError, match="not symmetric"):
        minimize(SOLVERS["newton-cg"], f)
    stop = Stop(gap_tolerance=None, gradient_tolerance=1e-4, iterations=300)
    assert minimize(SOLVERS["lbfgs"], f, stop=stop).value < f.at(f.start()).float_value


class Counting(nn.Linear):
    """Counts its calls in a buffer."""

    def __init__(self) -> None:
        super().__init__(5, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, h):
        self.calls += 1
        return super().forward(h)


class Random(nn.Linear):
    def forward(self, h):
        return functional.dropout(super().forward(h), 0.5)


def plain():
    return nn.Linear(5, 3).double()


def uncopied():
    model = plain()
    model.half = model.weight / 2
    return model


WEIGHTED = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 9.0], dtype=torch.float64))
WRONG = {  # the module, and what is wrong beside it; the error and words of it
    "no module": (lambda: functional, {}, TypeError, ["nn.Module", "FunctionObjective"]),
    "dropout": (lambda: nn.Sequential(plain(), nn.Dropout()), {}, ValueError, ["Dropout", "model.eval()"]),
    "batch norm": (lambda: nn.Sequential(plain(), nn.BatchNorm1d(3)), {}, ValueError, ["BatchNorm1d", "model.eval()"]),
    "recurrent dropout": (lambda: nn.LSTM(5, 3, 2, dropout=0.1), {}, ValueError, ["LSTM", "model.eval()"]),
    "random numbers": (lambda: Random(5, 3).double(), {}, ValueError, ["random", "model.eval()"]),
    "a buffer": (lambda: Counting().double(), {}, ValueError, ["calls", "model.eval()"]),
    "all frozen": (lambda: plain().requires_grad_(False), {}, ValueError, ["trainable", "requires_grad_(True)"]),
    "not called yet": (lambda: nn.LazyLinear(3), {}, ValueError, ["weight", "once"]),
    "half precision": (lambda: plain().bfloat16(), {}, TypeError, ["bfloat16", "model.double()"]),
    "mixed weights": (lambda: nn.Sequential(plain(), nn.Linear(3, 3)), {}, ValueError, ["1.weight", "float32", ".to("]),
    "inputs": (plain, {"inputs": X.float()}, ValueError, ["inputs", "float32", ".to("]),
    "targets": (plain, {"targets": Y.float()}, ValueError, ["targets", "float32", ".to("]),
    "no copy": (uncopied, {}, TypeError, ["copied", "graph"]),
    "no loss": (plain, {"loss": "mse"}, TypeError, ["loss", "str"]),
    "no scalar": (plain, {"loss": nn.CrossEntropyLoss(reduction="none")}, TypeError, ["loss", "scalar"]),
    "l2": (plain, {"l2": -1}, ValueError, ["l2"]),
    "empty chunks": (plain, {"rows_per_chunk": 0}, ValueError, ["rows_per_chunk"]),
    "chunks of a weighted mean": (
        plain,
        {"loss": WEIGHTED, "rows_per_chunk": 4},
        ValueError,
        ["mean", "sum", "chunks"],
    ),
    "chunks without rows": (
        plain,
        {"targets": (CLASSES, Y[0]), "loss": lambda z, t: functional.cross_entropy(z, t[0]), "rows_per_chunk": 4},
        ValueError,
        ["rows_per_chunk", "first dimension"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_work_is_said_in_a_sentence_that_names_the_remedy(case):
    make, settings, error, words = WRONG[case]
    arguments = {"loss": functional.cross_entropy, "inputs": X, "targets": CLASSES} | settings
    with pytest.raises(error) as found:
        ModuleObjective(make(), **arguments)
    message = str(found.value)
    assert all(word in message for word in words) and "\n" not in message


def test_layers_in_training_mode_that_do_not_depend_on_it_are_fine():
    model = nn.Sequential(nn.Linear(5, 3), nn.Dropout(0.0), nn.LayerNorm(3)).double()
    assert model.training and ModuleObjective(model, functional.cross_entropy, X, CLASSES).size == 24


@pytest.mark.parametrize("solver", ["gauss-newton", "kfac", "newton-cg", "lbfgs"])
def test_a_module_on_a_device_mixes_none(solver):
    model, stop = seeded(MAKE["mlp"][0]), Stop(gap_tolerance=1e-8, iterations=30)
    wanted = minimize(SOLVERS[solver], ModuleObjective(model, nn.CrossEntropyLoss(), X, CLASSES, l2=0.1), stop=stop)
    with SimulatedCuda() as device:
        for layer in (model[0], model[2]):  # Module.to gives a parameter other data, which a wrapper cannot have
            for name, weight in layer.named_parameters():
                layer._parameters[name] = weight.detach().to(device.name).requires_grad_()
        f = ModuleObjective(model, nn.CrossEntropyLoss(), X.to(device.name), CLASSES.to(device.name), l2=0.1)
        found = minimize(SOLVERS[solver], f, stop=stop)
        assert found.x.device.type == "cuda" and found.status is wanted.status
        close(found.x.cpu(), wanted.x, 1e-6)
