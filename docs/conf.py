"""Sphinx: the pages of this folder, the published tables, and a reference from the docstrings; `make docs` builds them.

Nothing is fetched: formulas become MathML, which browsers draw themselves, and no other project's index is read.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math import latex2mathml

HERE = Path(__file__).resolve().parent
PUBLISHED = HERE.parent / "reports" / "published"
sys.path.insert(0, str(HERE.parent))

project = "hessbench"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_copybutton"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "hessbench"
html_show_copyright = html_show_sphinx = html_show_sourcelink = False
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["pages.css"]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
add_module_names = False
maximum_signature_line_length = 90

TERM = re.compile(r"^([A-Za-z_]\w*(?: \([^)]*\))?(?:, \w+)*): (?=\S)")
RAISED = str.maketrans("-0123456789T", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹ᵀ")
SIGNS = (("||", "‖"), ("<=", "≤"), (">=", "≥"))


def copy_published() -> None:
    """The committed reference, as pages: a table of it has no heading of its own."""
    target = HERE / "_published"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(PUBLISHED, target)
    for path in target.glob("*.md"):
        text = path.read_text()
        if not text.startswith("# "):
            title = path.stem.replace("-", " ").capitalize()
            path.write_text(f"# {title}\n\n{text}")


def published_links(app: object, name: str, source: list[str]) -> None:
    """Links that are right in the repository, to the copies of what they lead to."""
    text = re.sub(r"\.\./reports/published/", "_published/", source[0])
    source[0] = text.replace("](../../docs/", "](../") if name.startswith("_published/") else text


def plain_text(app: object, what: str, name: str, object_: object, options: object, lines: list[str]) -> None:
    """A docstring as reStructuredText: code in backticks, `name: what it is` as definitions, powers raised, and all
    else as it stands."""
    written, defining = [], False
    for line in lines:
        term = TERM.match(line)
        if defining and line and not term and not line.startswith(" "):
            written.append("")
        if term:
            if not defining:
                written.append("")
            written.append(marked_up(f"`{term[1]}`"))
            line = " " * 4 + line[term.end() :]
        defining = bool(term) or (defining and (not line or line.startswith(" ")))
        written.append(marked_up(line))
    lines[:] = written


def marked_up(line: str) -> str:
    """A line with its signs escaped and its formulas set, outside of backticks."""
    parts = line.split("`")
    for at, part in enumerate(parts[::2]):
        part = re.sub(r"\^(-?\d+|T)\b", lambda power: power[1].translate(RAISED), part)
        for plain, sign in SIGNS:
            part = part.replace(plain, sign)
        parts[2 * at] = re.sub(r"([\\*|_])", r"\\\1", part)
    return "``".join(parts)


def mathml(translator: object, node: nodes.Element) -> None:
    """A formula as MathML. Its bars are all fences, and must not be spaced as relations."""
    formula = latex2mathml.tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block))
    formula = formula.replace('<mo class="mathopen">|', '<mo form="prefix" stretchy="false">|')
    translator.body.append(formula.replace("<mo>|", '<mo form="postfix" stretchy="false">|'))
    raise nodes.SkipNode


def setup(app: object) -> None:
    copy_published()
    app.add_html_math_renderer("mathml", inline_renderers=(mathml, None), block_renderers=(mathml, None))
    app.connect("source-read", published_links)
    app.connect("autodoc-process-docstring", plain_text)
