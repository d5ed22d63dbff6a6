"""Four packages: solvers <- datasets <- benchmarks <- reports; each imports only from those on its left."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("solvers", "datasets", "benchmarks", "reports")
MOST_FILES = 15
OUTSIDE_OF_ASV = {"typer", "rich", "pandas", "pyarrow", "pytest"}  # asv's environments are built without them


def imports(source: str, package: str) -> Iterator[tuple[str, bool]]:
    """Each module that a source imports, by its full name, and whether that happens as soon as it is imported.

    package: the one the module is in, for relative imports.
    """

    def visit(node: ast.AST, at_once: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = parts[: len(parts) - node.level + 1] if node.level else []
            yield ".".join([*base, *([node.module] if node.module else [])]), at_once
        inner = at_once and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if isinstance(node, ast.If):
            guard = ast.unparse(node.test)
            inner = inner and guard not in ("__name__ == '__main__'", "TYPE_CHECKING")
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inner)

    yield from visit(ast.parse(source), True)


def of(path: Path) -> list[tuple[str, bool]]:
    package = ".".join(path.relative_to(ROOT).parent.parts)
    return list(imports(path.read_text(), package))


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def test_the_reader_of_imports_sees_all_kinds():
    source = """
import a.b, c
from d.e import f
from . import g
from .h import i
from ..j import k
def later():
    import l
class Body:
    import m
try:
    import n
except ImportError:
    n = None
if __name__ == "__main__":
    import o
"""
    assert list(imports(source, "package.inner")) == [
        ("a.b", True),
        ("c", True),
        ("d.e", True),
        ("package.inner", True),
        ("package.inner.h", True),
        ("package.j", True),
        ("l", False),
        ("m", True),
        ("n", True),
        ("o", False),
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_from_its_left(package):
    assert sources(package)
    forbidden = {*PACKAGES[PACKAGES.index(package) + 1 :], "tests"}
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for name, _ in of(path)
        if name.split(".")[0] in forbidden
    ]
    assert not found


def modules() -> dict[str, Path]:
    """Every module of the packages, by its full name."""
    names = {}
    for path in (path for package in PACKAGES for path in sources(package)):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def folder_of(module: str) -> str:
    """The idea a module belongs to: the first folder below its package."""
    parts = module.split(".")
    return ".".join(parts[:2])


def links() -> dict[str, set[str]]:
    """Which module imports which, wherever it does so; a name that is imported from a package counts as the module of
    that name where there is one."""
    known, found = modules(), {}
    for module, path in known.items():
        package = ".".join(path.relative_to(ROOT).parent.parts)
        targets = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                parts = package.split(".")
                base = parts[: len(parts) - node.level + 1] if node.level else []
                source = ".".join([*base, *([node.module] if node.module else [])])
                inside = {f"{source}.{alias.name}" for alias in node.names} & set(known)
                targets |= inside if inside else {source} & set(known)
            elif isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names} & set(known)
        found[module] = targets - {module}
    return found


def circles(graph: dict[str, set[str]]) -> list[str]:
    """What is left when all that imports nothing that is left has been taken away, again and again."""
    left = {node: set(targets) for node, targets in graph.items()}
    while free := [node for node, targets in left.items() if not targets & set(left)]:
        for node in free:
            del left[node]
    return sorted(left)


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_no_modules_import_each_other_in_a_circle():
    assert circles(links()) == []


def test_folders_import_one_way_too():
    graph: dict[str, set[str]] = {}
    for module, targets in links().items():
        here = folder_of(module)
        graph.setdefault(here, set()).update(folder_of(target) for target in targets if "." in target)
        graph[here].discard(here)
    assert circles(graph) == []


def test_a_folder_holds_about_a_dozen_files():
    counts = Counter(path.parent for package in PACKAGES for path in sources(package))
    assert not {str(folder.relative_to(ROOT)): count for folder, count in counts.items() if count > MOST_FILES}


def test_solvers_imports_torch_and_the_standard_library_alone():
    """But for `solvers/adapters`, where optional peers live, and kernels for Triton, which a CUDA torch brings, and for
    Numba, which works on NumPy's arrays."""
    allowed = {"torch", "solvers", *sys.stdlib_module_names}
    kernels = {"triton_gram.py", "compiled.py", "compiled_point.py", "compiled_csr.py", "compiled_rows.py"}
    kernels |= {"compiled_start.py"}
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("solvers")
        if "adapters" not in path.parts and path.name not in kernels
        for name, _ in of(path)
        if name.split(".")[0] not in allowed
    ]
    assert not found


def test_what_asv_sees_needs_nothing_that_its_environments_lack():
    seen = sorted((ROOT / "benchmarks").glob("*.py"))
    assert {"__init__.py", "__main__.py", "iteration_cost.py"} <= {path.name for path in seen}
    found = [
        f"{path.name} imports {name}"
        for path in seen
        for name, at_once in of(path)
        if at_once and (name.split(".")[0] in OUTSIDE_OF_ASV or name.startswith("benchmarks.command"))
    ]
    assert not found


def test_asv_does_not_see_the_folders_of_benchmarks():
    folders = [path for path in (ROOT / "benchmarks").iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert {"micro", "command", "runner"} <= {folder.name for folder in folders}
    for folder in folders:
        assert not (folder / "__init__.py").exists()


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_are_ours(package):
    """Others publish a package named `datasets`: found first, it would take the place of ours."""
    spec = importlib.util.find_spec(package)
    assert spec is not None and Path(spec.origin) == ROOT / package / "__init__.py"


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a fresh process holds after a statement."""
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(process.stdout.split())


@pytest.mark.slow
def test_importing_solvers_brings_neither_scipy_nor_scikit_learn():
    loaded = modules_after("import solvers, solvers.objectives")
    assert "torch" in loaded
    assert not loaded & {"scipy", "sklearn", "pandas", "matplotlib", "datasets", "benchmarks", "reports"}
