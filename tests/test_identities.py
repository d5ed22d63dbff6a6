"""What is stored belongs to the code that made it: a change anywhere in that code is another identity."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.audit.verdicts import OURS, THEIRS
from benchmarks.runner.environment import MEASURING
from benchmarks.scoreboard.scores import RACING
from datasets.certificates.certificate import CODE
from solvers.common.sources import ROOT, code_hash

ADAPTERS = ("solvers/adapters",)
IDENTITIES = {  # of runs, races, certificates, and verdicts on our solvers and on peers
    "runs": (MEASURING, ()),
    "races": (RACING, ()),
    "certificates": (CODE, ()),
    "verdicts on ours": (OURS, ADAPTERS),
    "verdicts on peers": (THEIRS, ()),
}
FOLDERS = sorted(
    {
        path.parent.relative_to(ROOT).as_posix()
        for package in ("solvers", "datasets", "benchmarks")
        for path in (ROOT / package).rglob("*.py")
    }
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    for package in ("solvers", "datasets", "benchmarks"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def hashes(root: Path) -> dict[str, str]:
    code_hash.cache_clear()
    return {name: code_hash(names, without=without, root=root) for name, (names, without) in IDENTITIES.items()}


def covered(folder: str, names: tuple[str, ...], without: tuple[str, ...]) -> bool:
    inside = any(f"{folder}/".startswith(f"{name}/") for name in names)
    return inside and not any(f"{folder}/".startswith(f"{name}/") for name in without)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_file_planted_in_a_folder_changes_the_identities_that_rest_on_it(copy, folder):
    before = hashes(copy)
    planted = copy / folder / "planted.py"
    planted.write_text("x = 1\n")
    try:
        after = hashes(copy)
    finally:
        planted.unlink()
    changed = {name for name in IDENTITIES if before[name] != after[name]}
    assert changed == {name for name, parts in IDENTITIES.items() if covered(folder, *parts)}


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("solvers/newton/exact.py", {"runs", "races", "verdicts on ours"}),
        ("solvers/adapters/scipy_optimize.py", {"runs", "races", "verdicts on peers"}),
        ("solvers/objectives/linear/logistic.py", set(IDENTITIES)),
        ("solvers/linalg/cholesky.py", set(IDENTITIES)),
        ("datasets/certificates/optimum.py", {"runs", "races", "certificates"}),
        ("datasets/certificates/separation.py", set(IDENTITIES)),
        ("benchmarks/runner/measure.py", {"runs", "races"}),
        ("benchmarks/runner/deadline.py", {"runs", "races", "verdicts on peers"}),
        ("benchmarks/scoreboard/timing.py", {"races"}),
        ("benchmarks/audit/reference.py", {"verdicts on ours", "verdicts on peers"}),
        ("benchmarks/audit/case.py", {"verdicts on ours", "verdicts on peers"}),
        ("benchmarks/store/runs.py", set()),
    ],
)
def test_a_changed_file_changes_the_identities_that_rest_on_it(copy, path, changed):
    before, source = hashes(copy), (copy / path).read_text()
    (copy / path).write_text(source + "# changed\n")
    try:
        after = hashes(copy)
    finally:
        (copy / path).write_text(source)
    assert {name for name in IDENTITIES if before[name] != after[name]} == changed


def test_a_name_without_sources_is_an_error_and_no_empty_identity(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("moved.py", "empty"):
        with pytest.raises(FileNotFoundError, match="took its place"):
            code_hash((name,), root=tmp_path)
