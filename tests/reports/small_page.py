"""Runs for a small page, and a browser that says what it finds in a page."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.runner.suites import SUITES

CASES = [c for c in SUITES["classic"]() if c.solver in ("newton", "gradient-descent") and c.dtype == "float64"]
REPEATS = 2

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
in_a_browser = pytest.mark.skipif(
    not CHROMIUM and "HESSBENCH_NEED_BROWSER" not in os.environ, reason="no Chromium here to open the page in"
)


def ask(page: Path, script: str, folder: Path, width: int = 1400) -> object:
    """What a script finds in the page, in a frame of this width: windows may not be as narrow as phones.

    script: the body of an async function."""
    answer = "found => { parent.answer.textContent = JSON.stringify(found); }"
    asking = f"<script>(async () => {{ {script} }})().then({answer})</script></body>"
    base = '<head><base href="about:srcdoc">'  # else a link within the page would lead to its host
    inner = html.escape(page.read_text().replace("<head>", base, 1).replace("</body>", asking))
    frame = f'<iframe style="border: 0" width="{width}" height="900" srcdoc="{inner}"></iframe>'
    host = folder / "host.html"
    host.write_text(f'<!doctype html><meta charset="utf-8"><pre id="answer"></pre>{frame}')
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    flags += ["--disable-component-update", "--disable-sync", f"--user-data-dir={folder}", "--enable-logging=stderr"]
    flags += ["--window-size=1500,1000", "--virtual-time-budget=1000", "--dump-dom", host.as_uri()]
    shown = subprocess.run([CHROMIUM, *flags], capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in shown.stderr
    answer = re.search(r'<pre id="answer">(.*?)</pre>', shown.stdout, re.DOTALL)[1]
    return json.loads(html.unescape(answer))
