"""Files converted to rows on a disk: every format gives the rows that it holds, interrupted or not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.streams import convert
from solvers.distributed import RowStream
from solvers.distributed.stream import StreamError

ROWS, COLUMNS = 53, 4
BLOCK = 7 * COLUMNS * 8  # bytes: seven rows of float64


def data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    X = generator.standard_normal((ROWS, COLUMNS)).round(3)
    X[generator.random(X.shape) < 0.3] = 0.0
    return X, (generator.random(ROWS) < 0.5).astype(float)


def write_safetensors(path, X: np.ndarray, y: np.ndarray) -> None:
    """By the format's description: the length of the header, the header, the bytes."""
    parts, known, place = {"X": X, "y": y}, {"__metadata__": {"about": "a test"}}, 0
    for name, part in parts.items():
        known[name] = {"dtype": "F64", "shape": [*part.shape], "data_offsets": [place, place + part.nbytes]}
        place += part.nbytes
    header = json.dumps(known).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"".join(part.tobytes() for part in parts.values()))


def write(folder, kind: str):
    """A file of this kind with `data()`, and the target to name."""
    X, y = data()
    path, target = folder / f"rows.{kind.split('-')[0]}", None
    if kind == "npy-column":
        np.save(path, np.column_stack([X[:, :2], y, X[:, 2:]]))
        target = "2"
    elif kind == "npy-file":
        np.save(path, X)
        np.save(folder / "targets.npy", y)
        target = str(folder / "targets.npy")
    elif kind == "npz":
        np.savez_compressed(path, X=X, y=y)
    elif kind == "safetensors":
        write_safetensors(path, X, y)
    elif kind == "parquet":
        import pandas as pd

        frame = pd.DataFrame(X, columns=[*"abcd"]).assign(outcome=y.astype(int))
        frame.to_parquet(path, row_group_size=11)
        target = "outcome"
    else:
        from sklearn.datasets import dump_svmlight_file

        dump_svmlight_file(X, y, str(path), zero_based=False)
    return path, target


KINDS = ("npy-column", "npy-file", "npz", "safetensors", "parquet", "libsvm")


def rows_of(stream: RowStream) -> torch.Tensor:
    return torch.cat([block.to_dense().clone() for _, block in stream.blocks()])


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_has_the_rows_of_its_file(kind, tmp_path):
    X, y = data()
    path, target = write(tmp_path, kind)
    stream = convert(path, tmp_path / "rows", target, block_bytes=BLOCK)
    assert stream.shape == X.shape and len(stream.header.blocks) > 4
    assert stream.is_sparse_csr == (kind == "libsvm")
    torch.testing.assert_close(rows_of(stream), torch.from_numpy(X), rtol=0, atol=0)
    torch.testing.assert_close(stream.y, torch.from_numpy(y), rtol=0, atol=0)
    assert stream.norm == pytest.approx(float(np.linalg.norm(X)), rel=1e-12)
    assert stream.stored == (np.count_nonzero(X) if kind == "libsvm" else X.size)


def interrupted(path: Path, target: str | None, folder: Path) -> Path:
    """The folder of a conversion that was stopped after more than 20 rows."""

    def stop(rows: int) -> None:
        if rows > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(path, folder, target, block_bytes=BLOCK, progress=stop)
    return folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("torn", [False, True])
def test_an_interrupted_conversion_goes_on_to_the_same_bytes(kind, torn, tmp_path):
    """torn: the block after the last whole one was being written."""
    path, target = write(tmp_path, kind)
    whole = convert(path, tmp_path / "whole", target, block_bytes=BLOCK)

    folder = interrupted(path, target, tmp_path / "rows")
    with pytest.raises(StreamError, match="converted in part"):
        RowStream(folder)
    if torn:
        with open(folder / "rows.bin", "ab") as file:
            file.write(b"half of a block")
        with open(folder / "progress.jsonl", "a") as file:
            file.write('{"rows": 7, "ent')
    begun: list[int] = []
    stream = convert(path, folder, target, block_bytes=BLOCK, progress=begun.append)
    assert begun[0] > 21 and begun[-1] == ROWS
    assert stream.checksum == whole.checksum
    for name in ("rows.bin", "targets.bin"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (folder / "progress.jsonl").exists()


def test_a_damaged_last_block_is_written_again(tmp_path):
    path, target = write(tmp_path, "npz")
    whole = convert(path, tmp_path / "whole", target, block_bytes=BLOCK)

    folder = interrupted(path, target, tmp_path / "rows")
    content = bytearray((folder / "rows.bin").read_bytes())
    content[-1] ^= 1
    (folder / "rows.bin").write_bytes(content)
    assert convert(path, folder, target, block_bytes=BLOCK).checksum == whole.checksum
    torch.testing.assert_close(rows_of(RowStream(folder)), torch.from_numpy(data()[0]), rtol=0, atol=0)


def test_a_file_that_has_changed_is_converted_from_its_beginning(tmp_path):
    path, target = write(tmp_path, "npz")

    def stop(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(path, tmp_path / "rows", target, block_bytes=BLOCK, progress=stop)
    X, y = data()
    np.savez(path, X=X + 1, y=y)
    begun: list[int] = []
    stream = convert(path, tmp_path / "rows", target, block_bytes=BLOCK, progress=begun.append)
    assert begun[0] == 7
    torch.testing.assert_close(rows_of(stream), torch.from_numpy(X + 1), rtol=0, atol=0)


def test_a_finished_folder_is_opened_and_never_overwritten(tmp_path):
    path, target = write(tmp_path, "npz")
    convert(path, tmp_path / "rows", target, block_bytes=BLOCK)
    begun: list[int] = []
    convert(path, tmp_path / "rows", target, block_bytes=BLOCK, progress=begun.append)
    assert not begun
    with pytest.raises(StreamError, match="name another folder"):
        convert(path, tmp_path / "rows", target, block_bytes=BLOCK, dtype="float32")


def test_rows_can_be_stored_in_float32(tmp_path):
    path, target = write(tmp_path, "npz")
    stream = convert(path, tmp_path / "rows", target, block_bytes=BLOCK, dtype="float32")
    assert stream.dtype == torch.float32
    torch.testing.assert_close(rows_of(stream), torch.from_numpy(data()[0]).float(), rtol=0, atol=0)


def _with(**arrays):
    return lambda path: np.savez(path, **arrays)


X, Y = data()
BAD = {
    "no target": ("npz", _with(X=X), "X alone"),
    "lengths": ("npz", _with(X=X, y=Y[:-1]), "one number for each row"),
    "NaN": ("npz", _with(X=np.where(X > 1, np.nan, X), y=Y), "rows .* NaN"),
    "columns first": ("npz", _with(X=np.asfortranarray(X), y=Y), "stored by columns"),
    "objects": ("npz", _with(X=X.astype(str), y=Y), "save numbers"),
    "no zip": ("npz", lambda path: path.write_bytes(b"PK no"), "no NPZ file"),
    "no array": ("npy", lambda path: path.write_bytes(b"nothing"), "no array in NPY format"),
    "no tensors": ("safetensors", lambda path: path.write_bytes(b"\xff" * 20), "no safetensors file"),
    "no Parquet": ("parquet", lambda path: path.write_bytes(b"PAR1"), "not a Parquet file"),
    "zero-based": ("libsvm", lambda path: path.write_text("1 0:2 1:3\n"), "counts columns from 1"),
    "words": ("libsvm", lambda path: path.write_text("1 2:x\n"), "rows 0 to 0 are not LIBSVM"),
    "no rows": ("libsvm", lambda path: path.write_text("\n"), "no rows"),
    "another format": ("xlsx", lambda path: path.write_text("1"), "ends in .npy"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_file_is_one_sentence(name, tmp_path):
    suffix, make, message = BAD[name]
    path = tmp_path / f"bad.{suffix}"
    make(path)
    with pytest.raises(ValueError, match=message) as raised:
        convert(path, tmp_path / "rows", block_bytes=BLOCK)
    assert str(raised.value).startswith(str(path)) and "\n" not in str(raised.value)
    assert not (tmp_path / "rows" / "stream.json").exists()


def test_a_truncated_file_is_one_sentence(tmp_path):
    path, target = write(tmp_path, "npy-column")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"it ends in row \d+: it is truncated"):
        convert(path, tmp_path / "rows", target, block_bytes=BLOCK)


def test_a_parquet_file_needs_numbers_everywhere(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"a": [1.0, None], "b": ["x", "y"], "outcome": [0, 1]})
    frame.to_parquet(tmp_path / "words.parquet")
    with pytest.raises(ValueError, match="'b' holds"):
        convert(tmp_path / "words.parquet", tmp_path / "rows", "outcome")
    frame.drop(columns="b").to_parquet(tmp_path / "missing.parquet")
    with pytest.raises(ValueError, match="'a' has missing values"):
        convert(tmp_path / "missing.parquet", tmp_path / "rows", "outcome")
