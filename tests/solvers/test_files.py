"""A file is there as a whole or not at all, whatever ends its writer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from solvers.common.files import PARTIAL, written_whole


class Killed(BaseException):
    """The end of a process, at a chosen moment."""


def write(path: Path, content: bytes) -> None:
    with written_whole(path) as file:
        file.write(content)


@pytest.mark.parametrize("before", [None, b"before"])
@pytest.mark.parametrize("moment", ["fsync", "replace"])
@pytest.mark.parametrize("error", [Killed(), OSError(28, "No space left on device")], ids=["killed", "disk full"])
def test_a_write_that_ends_early_leaves_what_was_there(tmp_path, monkeypatch, before, moment, error):
    path = tmp_path / "file"
    if before:
        path.write_bytes(before)

    def end(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, moment, end)
        with pytest.raises(type(error)):
            write(path, b"after")
    assert (path.read_bytes() if path.exists() else None) == before
    assert [each.name for each in tmp_path.iterdir()] == (["file"] if before else [])
    write(path, b"after")
    assert path.read_bytes() == b"after" and len(list(tmp_path.iterdir())) == 1


def test_the_file_is_complete_and_flushed_when_it_gets_its_name(tmp_path, monkeypatch):
    path, seen = tmp_path / "new" / "folder" / "file", []
    rename, flush = os.replace, os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (seen.append("flushed"), flush(number)))

    def look(source, target):
        source = Path(source)
        assert source.parent == path.parent and source.name.startswith(".") and source.name.endswith(PARTIAL)
        seen.append(source.read_bytes())
        rename(source, target)

    monkeypatch.setattr(os, "replace", look)
    write(path, b"content")
    assert seen == ["flushed", b"content"] and path.read_bytes() == b"content"


def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(OSError, match="not a regular file"):
            write(path, b"content")
    assert (tmp_path / "pipe").is_fifo()
