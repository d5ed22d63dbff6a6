"""Build a wheel in which everything is below `hessbench.`; the plain names are those of a checkout.

In a checkout the packages are solvers, datasets, benchmarks and reports. Another package is called `datasets`, too:
so a wheel holds hessbench.solvers, hessbench.datasets and so on, and its sources are rewritten for that. Two things
change: the names of these packages where they are imported, and the commands that messages name. Editable installs, and
wheels built with HESSBENCH_LAYOUT=plain (asv.conf.json does), have the plain names.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

TOP = "hessbench"
PLAIN = ("solvers", "datasets", "benchmarks", "reports")
MICRO = "benchmarks.micro"  # needs pytest and the checkout, as do the modules that asv runs
REWRITTEN = "rewritten.json"  # read by solvers/common/sources.py
COMMANDS = {
    r"python3? -m benchmarks\b": "hessbench",
    r"python3? -m reports\b": "hessbench report",
    r"python3? -m datasets\b": "hessbench data",
    r"-c constraints\.txt -e '\.\[(\w+)\]'": r"'hessbench[\1]'",
}
LAID_BELOW = os.environ.get("HESSBENCH_LAYOUT") != "plain"


def rewritten(source: str) -> str:
    """The same module below `hessbench.`: absolute imports of our packages, and the commands in its texts.

    `import solvers.x` would bind another name there: it is a ValueError, with the line.
    """
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module.split(".")[0] in PLAIN:
            old, new = f"from {node.module} ", f"from {TOP}.{node.module} "
        elif isinstance(node, ast.Import) and any(alias.name.split(".")[0] in PLAIN for alias in node.names):
            alias = node.names[0]
            if len(node.names) > 1 or ("." in alias.name and not alias.asname):
                raise ValueError(f"line {node.lineno}, {ast.unparse(node)!r}: write it as `from ... import ...`")
            parent, _, name = f"{TOP}.{alias.name}".rpartition(".")
            old, new = f"import {alias.name}", f"from {parent} import {name}"
        else:
            continue
        line = lines[node.lineno - 1].encode()  # positions count bytes
        head, tail = line[: node.col_offset].decode(), line[node.col_offset :].decode()
        if not tail.startswith(old):
            raise ValueError(f"line {node.lineno}: write {old!r} with single spaces, and in one line")
        lines[node.lineno - 1] = head + new + tail.removeprefix(old)
    text = "".join(lines)
    for command, name in COMMANDS.items():
        text = re.sub(command, name, text)
    ast.parse(text)
    return text


class BuildPy(build_py):
    """Copies the packages below `hessbench.`, rewritten, unless the plain layout is asked for."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.below = LAID_BELOW and not self.editable_mode
        if self.below:
            found = [name for name in self.packages if name != MICRO and any(Path(*name.split(".")).glob("*.py"))]
            renamed = {name: name if name == TOP else f"{TOP}.{name}" for name in found}
            self.packages = list(renamed.values())
            self.package_dir = {new: name.replace(".", "/") for name, new in renamed.items()}
            self.package_data = {renamed.get(name, name): files for name, files in self.package_data.items()}

    def run(self) -> None:
        if not self.editable_mode:  # setuptools puts all that an earlier build left there into the wheel
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        found = super().find_package_modules(package, package_dir)
        return [each for each in found if package != f"{TOP}.benchmarks" or each[1].startswith("__")]

    def build_packages(self) -> None:
        super().build_packages()
        if not self.below:
            return
        originals = {}
        root = Path(self.build_lib, TOP)
        for path in sorted(root.rglob("*.py")):
            content = path.read_bytes()
            try:
                new = rewritten(content.decode()).encode()
            except ValueError as error:
                raise SystemExit(f"{path.relative_to(root)}, {error}") from None
            if new != content:
                path.write_bytes(new)
                originals[digest(new)] = digest(content)
        (root / REWRITTEN).write_text(json.dumps(originals, indent=0))


class Names(Distribution):
    """Metadata that claims no name but `hessbench`: tools look up which distribution brings `datasets`."""

    def iter_distribution_names(self) -> Iterator[str]:
        return iter([TOP]) if LAID_BELOW else super().iter_distribution_names()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":  # as pip runs it
    setup(distclass=Names, cmdclass={"build_py": BuildPy})
