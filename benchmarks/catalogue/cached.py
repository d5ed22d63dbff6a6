"""The names without the time that importing torch takes: what this code and these installed packages gave before.

The key of what is stored covers all that the registries are made of: the sources of solvers, datasets and benchmarks,
and the installed packages with their versions. Installed plug-ins may change without a new version: where there are
any, nothing is stored.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from datasets.folders import ROOT
from datasets.loaders.storage import DataError, cache_folder

READ = ("solvers", "datasets", "benchmarks")
FILES = "HESSBENCH_PLUGINS"  # as in datasets/plugins.py, which imports torch
PLUGINS = ("hessbench.solvers", "hessbench.problems", "hessbench.peers")  # groups of entry points


def catalogue(plugins: Sequence[Path] = ()) -> dict[str, Any]:
    """What `contents` returns, plug-ins included. Raises PluginError for a file that cannot be loaded."""
    if plugins or os.environ.get(FILES) or any(entry_points(group=group) for group in PLUGINS):
        from datasets.plugins import load

        load(plugins)
        return _read()
    key = _key()
    with suppress(OSError, ValueError, KeyError, TypeError, DataError):
        stored = json.loads(_file().read_text())
        if stored["key"] == key:
            return stored["contents"]
    found = _read()
    with suppress(OSError, DataError):  # a cache that cannot be written costs a second each time, and nothing else
        from solvers.common.files import written_whole

        with written_whole(_file()) as file:
            file.write(json.dumps({"key": key, "contents": found}).encode())
    return found


def _read() -> dict[str, Any]:
    from .contents import contents

    return contents()


def _file() -> Path:
    """One for each checkout and each environment."""
    place = hashlib.sha256(f"{ROOT}\0{sys.prefix}".encode()).hexdigest()[:12]
    return cache_folder() / f"catalogue-{place}.json"


def _key() -> str:
    digest = hashlib.sha256()
    for path in sorted(path for folder in READ for path in (ROOT / folder).rglob("*.py")):
        digest.update(f"{path}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    for folder in filter(os.path.isdir, sys.path):
        packages = (name for name in os.listdir(folder) if name.endswith((".dist-info", ".egg-info")))
        digest.update(f"{folder}\0{sorted(packages)}\n".encode())
    return digest.hexdigest()
