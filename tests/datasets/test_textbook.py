"""Fits of textbook data, in raw units, agree with the published ones to the digits printed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pytest
import torch

from datasets.certificates.separation import OVERLAPPING, QUASI, separation
from datasets.loaders.storage import VARIABLE, data_folder
from solvers import SOLVERS, Status, Stop, minimize
from solvers.objectives import LogisticRegression


@dataclass(frozen=True)
class Fit:
    """A fit as printed: estimate and standard error by column, the intercept last, and what is said of the loss."""

    coefficients: dict[str, tuple[str, str]]
    deviance: str = ""
    log_likelihood: str = ""


PUBLISHED = {
    # Hosmer & Lemeshow's low birth weight, as Stata's manual prints it: [R] glm
    "lbw": Fit(
        {
            "age": ("-.0271003", ".0364504"),
            "lwt": ("-.0151508", ".0069259"),
            "race black": ("1.262647", ".5264101"),
            "race other": (".8620792", ".4391532"),
            "smoke": (".9233448", ".4008266"),
            "ptl": (".5418366", ".346249"),
            "ht": ("1.832518", ".6916292"),
            "ui": (".7585135", ".4593768"),
            "intercept": (".4612239", "1.20459"),
        },
        deviance="201.4479911",
        log_likelihood="-100.7239956",
    ),
    # UCLA statistical consulting, R data analysis examples: logit regression
    "ucla_admissions": Fit(
        {
            "gre": ("0.002264", "0.001094"),
            "gpa": ("0.804038", "0.331819"),
            "rank 2": ("-0.675443", "0.316490"),
            "rank 3": ("-1.340204", "0.345306"),
            "rank 4": ("-1.551464", "0.417832"),
            "intercept": ("-3.989979", "1.139951"),
        },
        deviance="458.52",
    ),
    # Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., table 4.2: standard errors, and the
    # estimates to three digits; the further ones and the deviance: R's glm in the slides of Hastie & Tibshirani
    "saheart": Fit(
        {
            "sbp": ("0.0057607", "0.006"),
            "tobacco": ("0.0795256", "0.026"),
            "ldl": ("0.1847793", "0.057"),
            "famhist": ("0.9391855", "0.225"),
            "obesity": ("-0.0345434", "0.029"),
            "alcohol": ("0.0006065", "0.004"),
            "age": ("0.0425412", "0.010"),
            "intercept": ("-4.1295997", "0.964"),
        },
        deviance="483.17",
    ),
    # Pregibon 1981, Annals of Statistics 9, p. 705; standard errors: SAS/STAT User's Guide, LOGISTIC, on his example
    "vaso": Fit(
        {
            "log volume": ("5.179", "1.8648"),
            "log rate": ("4.562", "1.8380"),
            "intercept": ("-2.875", "1.3208"),
        },
        deviance="29.23",
    ),
    # Dalal, Fowlkes & Hoadley 1989, JASA 84, p. 945; standard errors and deviance: R's glm
    "orings": Fit(
        {"temperature": ("-0.2322", "0.1082"), "intercept": ("15.043", "7.3786")},
        deviance="20.315",
    ),
    # Wooldridge, Introductory Econometrics, table 17.1, logit
    "mroz": Fit(
        {
            "nwifeinc": ("-.021", ".008"),
            "educ": (".221", ".043"),
            "exper": (".206", ".032"),
            "exper^2": ("-.0032", ".0010"),
            "age": ("-.088", ".015"),
            "kidslt6": ("-1.443", ".204"),
            "kidsge6": (".060", ".075"),
            "intercept": (".425", ".860"),
        },
        log_likelihood="-401.77",
    ),
    # Pima.tr of Venables & Ripley (R package MASS), as R's glm prints it. R takes standard errors at the last iterate
    # but one: that of the intercept, printed as 1.770386, is good to five decimals and stands here with those.
    "pima_tr": Fit(
        {
            "npreg": ("0.103183", "0.064694"),
            "glu": ("0.032117", "0.006787"),
            "bp": ("-0.004768", "0.018541"),
            "skin": ("-0.001917", "0.022500"),
            "bmi": ("0.083624", "0.042827"),
            "ped": ("1.820410", "0.665514"),
            "age": ("0.041184", "0.022091"),
            "intercept": ("-9.773062", "1.77039"),
        },
        deviance="178.39",
    ),
}
# Heinze & Schemper 2002, Statistics in Medicine 21, p. 2409: the first column, NV, has no finite estimate. The others,
# as R's glm prints them.
ENDOMETRIAL = Fit(
    {"PI": ("-0.04218", "0.04433"), "EH": ("-2.90261", "0.84555"), "intercept": ("4.30452", "1.63730")},
    deviance="55.393",
)
EXACT = Stop(gap_tolerance=0.0, gradient_tolerance=1e-5)  # the gap alone leaves the seventh digit open
PAST = Stop(gap_tolerance=None, iterations=20, stop_when_separable=False)


@pytest.fixture(params=["newton-cholesky", "newton-levenberg", "newton-damped"])
def solver(request):
    return SOLVERS[request.param]


def problem(X: torch.Tensor, y: torch.Tensor) -> LogisticRegression:
    """Minus the log likelihood, so that the inverse of its Hessian is the covariance of the estimates."""
    return LogisticRegression(X, y, fit_intercept=True, reduction="sum")


def textbook(name: str) -> LogisticRegression:
    path = data_folder() / "classic" / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"the textbook data are not there: set {VARIABLE} to a folder that has classic/{name}.npz")
    with np.load(path, allow_pickle=False) as file:
        return problem(torch.from_numpy(file["X"]), torch.from_numpy(file["y"]))


def table(a: int, b: int, c: int, d: int) -> LogisticRegression:
    """A 2 x 2 table, row by row: a events and b others where x = 1, c events and d others where x = 0."""
    x = torch.tensor([1.0] * (a + b) + [0.0] * (c + d), dtype=torch.float64)
    return problem(x.unsqueeze(1), torch.tensor([1.0] * a + [0.0] * b + [1.0] * c + [0.0] * d, dtype=torch.float64))


def printed(value: str):
    """What rounds to this: at most half a unit of the last digit away."""
    return pytest.approx(float(value), rel=0, abs=0.5 * 10.0 ** Decimal(value).as_tuple().exponent)


def classes(objective: LogisticRegression) -> str:
    return separation(objective).classes


def as_printed(*values: float) -> tuple[str, ...]:
    return tuple(f"{value:.6f}" for value in values)


def entropy(events: int, others: int) -> float:
    """Minus the log likelihood of a cell's own share."""
    n = events + others
    return -sum(k * math.log(k / n) for k in (events, others) if k)


def check(fit: Fit, objective: LogisticRegression, w: torch.Tensor, *, skip: int = 0) -> None:
    """Every printed number agrees with those at w; `skip` coefficients come first that are not printed."""
    point = objective.at(w)
    errors = torch.linalg.inv(point.hessian).diagonal().sqrt()
    for name, pair, *ours in zip(fit.coefficients, fit.coefficients.values(), w[skip:], errors[skip:], strict=True):
        assert [float(number) for number in ours] == [printed(number) for number in pair], name
    for number, factor in ((fit.deviance, 2), (fit.log_likelihood, -1)):
        assert not number or factor * float(point.value) == printed(number)


def check_fit(fit: Fit, objective: LogisticRegression, solver) -> None:
    result = minimize(solver, objective, stop=EXACT)
    assert result.status is Status.CONVERGED
    check(fit, objective, result.x)


def check_quasi_separation(fit: Fit, objective: LogisticRegression, solver) -> None:
    """The first coefficient has no finite estimate, and says so; run past that, the others tend to the fit."""
    assert classes(objective) == QUASI
    for stop in (Stop(), EXACT):
        assert minimize(solver, objective, stop=stop).status is Status.SEPARABLE
    before, after = (minimize(solver, objective, stop=replace(PAST, iterations=n)) for n in (15, PAST.iterations))
    assert before.status is after.status is Status.ITERATION_LIMIT
    check(fit, objective, after.x, skip=1)
    # What is left of the loss falls as exp(-w), and a Newton step on that is one.
    assert float(after.x[0] - before.x[0]) == pytest.approx(5, abs=1e-3)
    assert after.value < before.value


# --- published fits


@pytest.mark.parametrize("name", PUBLISHED)
def test_estimates_standard_errors_and_loss_are_the_published_ones(name, solver):
    check_fit(PUBLISHED[name], textbook(name), solver)


@pytest.mark.parametrize("name", PUBLISHED)
def test_classes_with_a_published_fit_overlap(name):
    assert classes(textbook(name)) == OVERLAPPING


def test_the_endometrial_data_have_no_estimate_and_a_published_limit(solver):
    check_quasi_separation(ENDOMETRIAL, textbook("endometrial"), solver)


# --- twins that need no data


def test_the_fit_of_a_two_by_two_table_is_its_log_odds_ratio(solver):
    a, b, c, d = 13, 7, 6, 24
    slope = as_printed(math.log(a * d / (b * c)), math.sqrt(1 / a + 1 / b + 1 / c + 1 / d))
    intercept = as_printed(math.log(c / d), math.sqrt(1 / c + 1 / d))
    (deviance,) = as_printed(2 * (entropy(a, b) + entropy(c, d)))
    check_fit(Fit({"x": slope, "intercept": intercept}, deviance), table(a, b, c, d), solver)


def test_a_table_with_an_empty_cell_has_no_log_odds_ratio_and_a_limit(solver):
    a, b, c, d = 8, 0, 5, 9
    intercept = as_printed(math.log(c / d), math.sqrt(1 / c + 1 / d))
    (deviance,) = as_printed(2 * entropy(c, d))
    check_quasi_separation(Fit({"intercept": intercept}, deviance), table(a, b, c, d), solver)


def test_a_printed_number_stands_for_what_rounds_to_it():
    for text, inside, outside in ((".346249", 0.3462494, 0.3462496), ("-.0032", -0.00316, -0.00314), ("12", 12.4, 11)):
        assert inside == printed(text) and outside != printed(text)
