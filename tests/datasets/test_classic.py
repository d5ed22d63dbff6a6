"""The classic comparison on breast cancer, against a 50-digit reference."""

from __future__ import annotations

import pytest
import torch

from solvers import DiagonalNewton, GradientDescent, Newton, Stop, minimize
from solvers.objectives import LogisticRegression

N = 398  # training rows
# The constants are those of the summed loss, as in the original comparison; on the mean they are divided by n.
SETTINGS = {
    "mean": [GradientDescent(0.1), Newton(1e-6 / N), DiagonalNewton(1.0, 1e-8 / N), DiagonalNewton(0.1, 1e-8 / N)],
    "sum": [GradientDescent(0.1 / N), Newton(1e-6), DiagonalNewton(1.0, 1e-8), DiagonalNewton(0.1, 1e-8)],
}
# iterations, final training loss, {iteration: test loss}, |w| at the end, relative tolerance; losses are means
REFERENCE = {
    "gradient descent 0.1": (200, 0.0787935117492382657, {200: 0.120326247035572812}, 2.02824172662125802, 1e-9),
    "exact Newton": (
        30,
        1.3468339819154388e-7,
        {5: 0.09487970121747166, 30: 2.9303205623321417},
        455.236795103062391,
        1e-9,
    ),
    "diagonal Newton 1.0": (80, 226315772.991337161, {}, 6.4159778648916958e10, 1e-6),
    "diagonal Newton 0.1": (
        80,
        0.0373090543312703874,
        {45: 0.08109349703073320, 80: 0.0838019254715368591},
        6.69983866129682753,
        1e-9,
    ),
}
NAMES = list(REFERENCE)


@pytest.fixture(scope="module")
def runs(breast_cancer_split):
    """The iterates of each run, by reduction and name."""
    X, y, _, _ = breast_cancer_split
    found = {}
    for reduction, solvers in SETTINGS.items():
        for name, solver in zip(NAMES, solvers, strict=True):
            stop = Stop(gap_tolerance=None, iterations=REFERENCE[name][0], stop_when_separable=False)
            result = minimize(solver, LogisticRegression(X, y, reduction=reduction), stop=stop)
            assert result.iterations == REFERENCE[name][0]
            found[reduction, name] = dict(zip(result.trace.iterations, result.trace.iterates, strict=True))
    return found


@pytest.fixture(scope="module")
def losses(breast_cancer_split):
    """Mean losses on the training and on the test part."""
    X, y, X_test, y_test = breast_cancer_split
    training, test = LogisticRegression(X, y), LogisticRegression(X_test, y_test)
    return lambda w: float(training.at(w).value), lambda w: float(test.at(w).value)


@pytest.mark.parametrize("reduction", SETTINGS)
@pytest.mark.parametrize("name", NAMES)
def test_the_runs_end_where_the_reference_does(runs, losses, name, reduction):
    last, training_loss, test_losses, norm, relative = REFERENCE[name]
    iterates, (training, test) = runs[reduction, name], losses
    assert training(iterates[last]) == pytest.approx(training_loss, rel=relative)
    assert float(torch.linalg.vector_norm(iterates[last])) == pytest.approx(norm, rel=relative)
    for iteration, test_loss in test_losses.items():
        assert test(iterates[iteration]) == pytest.approx(test_loss, rel=relative)


@pytest.mark.parametrize("reduction", SETTINGS)
@pytest.mark.parametrize("name, best", [("exact Newton", 5), ("diagonal Newton 0.1", 45)])
def test_the_test_loss_is_best_where_the_reference_says(runs, losses, name, best, reduction):
    iterates, (_, test) = runs[reduction, name], losses
    assert min(iterates, key=lambda iteration: test(iterates[iteration])) == best


@pytest.mark.parametrize("reduction", SETTINGS)
def test_unit_step_diagonal_newton_peaks_at_iteration_5_and_never_beats_its_start(runs, losses, reduction):
    iterates, (training, test) = runs[reduction, "diagonal Newton 1.0"], losses
    values = {iteration: training(w) for iteration, w in iterates.items()}
    assert max(values, key=values.get) == 5
    assert values[5] == pytest.approx(11494648360.3831, rel=1e-6)
    assert min(test(w) for w in iterates.values()) == test(iterates[0]) == pytest.approx(0.6931, abs=1e-4)


@pytest.mark.parametrize("reduction", SETTINGS)
def test_exact_newton_first_separates_the_classes_at_iteration_8(runs, breast_cancer_split, reduction):
    X, y, _, _ = breast_cancer_split
    objective = LogisticRegression(X, y)
    perfect = [k for k, w in runs[reduction, "exact Newton"].items() if objective.accuracy(w) == 1]
    assert perfect[0] == 8


def test_the_runs_in_float32_tell_the_same_story(breast_cancer_split):
    X, y, _, _ = breast_cancer_split
    for name, solver in zip(NAMES, SETTINGS["mean"], strict=True):
        if name == "diagonal Newton 1.0":
            continue  # at losses of 1e10 its path is chaotic in the last digits
        stop = Stop(gap_tolerance=None, iterations=REFERENCE[name][0], stop_when_separable=False)
        result = minimize(solver, LogisticRegression(X.float(), y), stop=stop)
        assert result.value == pytest.approx(REFERENCE[name][1], rel=2e-2)
