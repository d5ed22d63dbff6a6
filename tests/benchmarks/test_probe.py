"""`python -m benchmarks probe`: linear classifiers over a path of penalties, each with a proved gap."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from benchmarks.command import probe as command
from benchmarks.command.main import app
from benchmarks.command.probe import penalties
from datasets.streams import convert
from solvers import SOLVERS, Stop, minimize
from solvers.objectives import LogisticRegression, SoftmaxRegression

L2S = "1e-1,1e-2,1e-3"


def embeddings(classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """X (300, 6) whose columns shrink, and labels that depend on it."""
    random = np.random.default_rng(0)
    X = random.standard_normal((300, 6)) / np.arange(1, 7)
    scores = X @ random.standard_normal((6, classes)) * 3 + random.gumbel(size=(300, classes))
    return X, scores.argmax(1)


@pytest.fixture
def features(tmp_path):
    X, y = embeddings()
    np.savez(tmp_path / "embeddings.npz", X=X, y=y)
    return tmp_path / "embeddings.npz"


def run(*words: object) -> str:
    """What the command prints; its exit status must be 0."""
    found = CliRunner().invoke(app, ["probe", *map(str, words)])
    assert found.exit_code == 0, found.output
    return found.stdout


def refusal(*words: object) -> str:
    found = CliRunner().invoke(app, ["probe", *map(str, words)])
    assert found.exit_code == 2 and "Traceback" not in found.output
    return found.stderr


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_fit_is_the_minimiser_of_its_penalty(tmp_path, classes, dtype):
    X, y = embeddings(classes)
    np.savez(tmp_path / "all.npz", X=X, y=y)
    words = run(tmp_path / "all.npz", "--l2", L2S, "--validation", 0, "--dtype", dtype, "--out", tmp_path / "p.npz")
    assert "none held out" in words and "3 of 3 fits are within 1e-06 of their minimum, proved" in words
    with np.load(tmp_path / "p.npz") as found:
        assert found["l2"].tolist() == [1e-1, 1e-2, 1e-3] and found["status"].tolist() == ["converged"] * 3
        assert found["weights"].shape == (3, classes if classes > 2 else 1, 6) and (found["gap"] <= 1e-6).all()
        for k, l2 in enumerate(found["l2"]):
            kind = SoftmaxRegression if classes > 2 else LogisticRegression
            objective = kind(torch.as_tensor(X), torch.as_tensor(y, dtype=torch.float64), l2=l2, fit_intercept=True)
            best = minimize(SOLVERS["newton-cholesky"], objective, stop=Stop(gap_tolerance=1e-12)).value
            W = np.concatenate([found["weights"][k], found["intercepts"][k][:, None]], axis=1)
            value = objective.at(torch.as_tensor(W.ravel(), dtype=torch.float64)).float_value
            assert -1e-9 <= (value - best) / best <= 2e-6


def test_without_an_intercept_it_is_zero(features, tmp_path):
    run(features, "--l2", "1e-2", "--no-intercept", "--out", tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz") as found:
        assert found["weights"].shape == (1, 3, 6) and not found["intercepts"].any()


def test_held_out_rows_choose_the_penalty(features):
    words = run(features, "--l2", "path", "--validation", 0.3)
    assert "210 rows to fit, 90 to validate, 6 columns, 3 classes" in words and "Best by log loss: l2" in words


def test_labels_of_text_beside_an_array_in_a_file_of_its_own(tmp_path):
    X, y = embeddings()
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", np.array(["cat", "dog", "eel"])[y])
    run(tmp_path / "X.npy", "--labels", tmp_path / "y.npy", "--l2", "1e-2", "--out", tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz") as found:
        assert found["classes"].tolist() == ["cat", "dog", "eel"]


def test_rows_on_a_disk_give_the_same(features, tmp_path):
    convert(features, tmp_path / "rows")
    run(features, "--l2", L2S, "--validation", 0, "--dtype", "float64", "--gap", 1e-10, "--out", tmp_path / "a.npz")
    run(tmp_path / "rows", "--l2", L2S, "--gap", 1e-10, "--out", tmp_path / "b.npz")
    with np.load(tmp_path / "a.npz") as memory, np.load(tmp_path / "b.npz") as disk:
        np.testing.assert_allclose(memory["value"], disk["value"], rtol=1e-9)
        np.testing.assert_allclose(memory["weights"], disk["weights"], atol=1e-3)


def test_what_is_fitted_is_not_fitted_again(features, tmp_path):
    out = tmp_path / "p.npz"
    run(features, "--l2", "1e-1,1e-3", "--out", out)
    words = run(features, "--l2", L2S, "--out", out)
    assert [line.split()[1] for line in words.splitlines() if line.startswith("done")] == ["l2=0.01"]
    with np.load(out) as found:
        assert found["l2"].tolist() == [1e-1, 1e-2, 1e-3]
    assert "another file" in refusal(features, "--gap", 1e-3, "--out", out)


def test_an_interrupted_path_keeps_its_fits_and_goes_on(features, tmp_path, monkeypatch):
    out, original = tmp_path / "p.npz", command.fits

    def interrupted(*arguments, **options):
        yield next(original(*arguments, **options))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(command, "fits", interrupted)
        found = CliRunner().invoke(app, ["probe", str(features), "--l2", L2S, "--out", str(out)])
    assert found.exit_code == 130 and "1 of 3 penalties are fitted" in found.stderr
    words = run(features, "--l2", L2S, "--out", out)
    assert sum(line.startswith("done") for line in words.splitlines()) == 2


def test_a_fit_that_does_not_converge_is_told(features, monkeypatch):
    monkeypatch.setattr(command, "Stop", lambda gap: Stop(gap_tolerance=gap, iterations=0))
    words = run(features, "--l2", "1e-3")
    assert "not converged at l2 0.001" in words and "Best by log loss" not in words


def over_two_processes(*words: object) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of torchrun."""
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "benchmarks", "probe"]
    done = subprocess.run([*start, *map(str, words)], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("on_disk", [False, True])
def test_two_processes_find_what_one_finds(features, tmp_path, on_disk):
    rows = tmp_path / "rows" if on_disk else features
    if on_disk:
        convert(features, rows, block_bytes=1 << 12)
    options = [rows, "--validation", 0.2, "--dtype", "float64", "--gap", 1e-10]
    run(*options, "--l2", L2S, "--out", tmp_path / "one.npz")
    run(*options, "--l2", "1e-1", "--out", tmp_path / "two.npz")  # two processes go on from there
    status, words, said = over_two_processes(*options, "--l2", L2S, "--out", tmp_path / "two.npz")
    assert status == 0, said
    assert words.count("done l2=") == 2 and words.count("over 2 processes") == 1
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        assert two["status"].tolist() == ["converged"] * 3 and str(one["identity"]) == str(two["identity"])
        np.testing.assert_allclose(one["value"], two["value"], rtol=1e-9)
        np.testing.assert_allclose(one["loss"], two["loss"], rtol=1e-5)
        np.testing.assert_array_equal(one["accuracy"], two["accuracy"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--l2", "0"], "finite number > 0"),
        (["--l2", "small"], "--l2 is `path`, or numbers"),
        (["--gap", "2"], "--gap must lie between 0 and 1"),
        (["--threads", "0"], "--threads must be at least 1"),
        (["--dtype", "float16"], "float16"),
        (["--device", "abacus"], "abacus"),
        (["--labels", "nothing"], "nothing"),
        (["--solver", "guess"], "guess"),
    ],
)
def test_bad_input_is_one_sentence(features, words, sentence):
    assert sentence in refusal(features, *words)


def test_files_that_are_none_of_a_probe_are_left_alone(features, tmp_path):
    before = features.read_bytes()
    assert "no file of a probe" in refusal(features, "--out", features)
    assert features.read_bytes() == before
    assert "--out names an NPZ file" in refusal(features, "--out", tmp_path)
    assert "there is no file" in refusal(tmp_path / "none.npz")


def test_rows_that_do_not_fit_are_refused_before_they_are_copied(features, monkeypatch):
    monkeypatch.setattr(command, "memory", lambda device: 1000)
    words = refusal(features)
    assert "the tables of rows x classes" in words and "hessbench data convert" in words


def test_the_path_has_two_penalties_a_decade():
    path = penalties("path")
    np.testing.assert_allclose(np.diff(np.log10(path)), -0.5)
    assert path[0] == pytest.approx(10) and path[-1] == pytest.approx(1e-6)
