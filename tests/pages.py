"""The pages of docs/ as programs: `python -m tests.pages PAGE` does in the current folder what a page says.

A block under a paragraph that ends with a path and a colon is that file; a `diff` changes it. Then the other blocks run
in order: those of `python` in one module, the lines of `sh` as commands, and each line of a `text` block must have been
printed by then, with `...` for anything and a time for any time. A command may say how it ends: `# exit status 1`, or
`# or exit status 1`. Blocks of other languages, such as `console`, are for readers alone.
"""

from __future__ import annotations

import io
import os
import re
import runpy
import shlex
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
STATUS = re.compile(r"# (or )?exit status (\d+)")
TIME = re.compile(r"[\d.]+ (?:us|ms|s|min)\b")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the path that the paragraph above it ends with."""

    language: str
    text: str
    path: str


def pages() -> list[Path]:
    """All that are written by hand."""
    return sorted(path for path in DOCS.rglob("*.md") if not path.relative_to(DOCS).parts[0].startswith("_"))


def blocks(markdown: str) -> Iterator[Block]:
    tokens = MarkdownIt().parse(markdown)
    for at, token in enumerate(tokens):
        if token.type == "fence":
            above = tokens[at - 2] if at > 1 else token  # the paragraph that ended before it
            words = [child.content for child in above.children or ()] if above.type == "inline" else []
            path = words[-2] if words[-1:] == [":"] and len(words) > 1 else ""
            yield Block(token.info, token.content, path)


def write_files(markdown: str, folder: Path) -> None:
    """Make and change the files of a page."""
    for block in blocks(markdown):
        target = folder / block.path
        if block.language == "diff":
            target.write_text(apply(target.read_text(), block.text))
        elif block.path:
            assert not target.exists(), f"{block.path} is no new file"
            target.write_text(block.text)


def apply(text: str, diff: str) -> str:
    """A text with the lines of a diff whose parts, between @@, each fit one place."""
    for part in diff.split("@@\n"):
        lines = part.splitlines(keepends=True)
        assert all(line[0] in " +" for line in lines), part
        old = "".join(line[1:] for line in lines if line[0] == " ")
        assert text.count("\n" + old) == 1, f"the page's line is not there once:\n{old}"
        text = text.replace("\n" + old, "\n" + "".join(line[1:] for line in lines))
    return text


def commands(text: str) -> Iterator[str]:
    """The lines of a block, continued ones as one."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


def call(line: str) -> tuple[int, str]:
    """A command's exit status and what it printed. Python's modules run in this process, which has imported much."""
    program, *words = shlex.split(line, comments=True)
    if program == "torchrun":
        program, words = "python", ["-m", "torch.distributed.run", *words]
    elif program == "hessbench":
        program, words = "python", ["-m", "hessbench", *words]
    assert program == "python", f"what is {program!r}?"
    if words[0] != "-m" or words[1].startswith("torch"):
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 300}
        done = subprocess.run([sys.executable, *words], **pipe)
        return done.returncode, done.stdout
    sys.argv, said, code = words[1:], io.StringIO(), 0
    with redirect_stdout(said), redirect_stderr(said):
        try:
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except Exception:
            traceback.print_exc()
            code = 1
    return code, said.getvalue()


def printed(line: str, said: str) -> bool:
    """Whether a line of a page is a line that was printed, or the beginning of one."""
    parts = map(re.escape, TIME.sub("TIME", line.strip()).split("..."))
    pattern = r".*".join(parts).replace("TIME", TIME.pattern).replace(r"\ ", r"\s+")
    return re.search(rf"^\s*{pattern}", said, re.MULTILINE) is not None


def run(markdown: str) -> str:
    """Run the blocks of a page whose files are there; what they printed. AssertionError: one is not as it says."""
    module = sys.modules["page"] = ModuleType("page")  # where dataclasses look for their names
    said = ""
    for block in blocks(markdown):
        if block.path:
            continue
        if block.language == "python":
            output = io.StringIO()
            with redirect_stdout(output), redirect_stderr(output):
                exec(compile(block.text, "page", "exec"), vars(module))
            said += output.getvalue()
        elif block.language == "sh":
            for line in commands(block.text):
                code, output = call(line)
                said += f"$ {line}\n{output}"
                found = STATUS.search(line)
                wanted = {int(found[2]), *([0] if found[1] else [])} if found else {0}
                assert code in wanted, f"exit status {code}:\n{line}\n{output}"
        elif block.language == "text":
            missing = [line for line in block.text.splitlines() if not printed(line, said)]
            assert not missing, f"not printed: {missing}\n{said}"
    return said


def follow(page: Path, folder: Path, *, root: Path = ROOT, timeout: float = 900) -> str:
    """Write a page's files to a folder and run the page there, in a process of its own; what its blocks printed.

    root: the checkout that is imported.
    """
    write_files(page.read_text(), folder)
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root), "COLUMNS": "200", "MPLBACKEND": "agg"}
    command = [sys.executable, "-m", "tests.pages", str(page)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{page.name}\n{done.stdout}\n{done.stderr}"
    return done.stdout


if __name__ == "__main__":
    print(run(Path(sys.argv[1]).read_text()))
