"""Points an asv environment at one commit's checkout and, for everything else, at the project's own `.venv`.

Called by asv.link.conf.json as its install command: `python asv_link.py ENVIRONMENT CHECKOUT PROJECT`. It writes one
.pth file; nothing is built or installed, so an environment takes seconds, and the torch that is measured is the user's.
"""

from __future__ import annotations

import sys
from pathlib import Path


def site_packages(environment: Path) -> Path:
    """Where an environment keeps its packages."""
    found = sorted(environment.glob("lib/python3*/site-packages")) or sorted(environment.glob("Lib/site-packages"))
    if not found:
        raise SystemExit(f"{environment} has no site-packages: run `make` first, which builds .venv")
    return found[0]


def link(environment: Path, checkout: Path, project: Path) -> Path:
    """The commit's checkout comes first. Editable installs of .venv play no part: their own .pth is not read."""
    target = site_packages(environment) / "hessbench-link.pth"
    target.write_text(f"{checkout}\n{site_packages(project / '.venv')}\n")
    return target


if __name__ == "__main__":
    link(*(Path(argument).resolve() for argument in sys.argv[1:]))
