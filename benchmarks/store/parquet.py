"""Parquet files under checksums: one of the metadata, one of each page, and one of the columns that vary.

Every row is complete, for any reader of Parquet. Ours opens thousands of files of runs and reads from each only the
columns that vary within it: the values that all rows share are in the metadata too.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solvers.common.files import written_whole

if TYPE_CHECKING:
    import pyarrow as pa

# 2: runs have iterate, settings, deterministic and disturbed. 3: the metadata has a checksum and the shared values.
SCHEMA = 3  # of what is written; all up to this one are read
CHECKED_SINCE = 3
METADATA, METADATA_CHECKSUM = b"hessbench", b"hessbench-crc32"
FOREIGN = "not written by this suite"


class UnreadableError(ValueError):
    """One sentence: why a file holds nothing that this code can use."""


def constant_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The values that all rows share, by column; compared as JSON, so that 0.0 is not -0.0 and NaN equals NaN."""
    first = rows[0]
    return {
        name: value
        for name, value in first.items()
        if all(name in row and (row[name] is value or json.dumps(row[name]) == json.dumps(value)) for row in rows[1:])
    }


def encode_metadata(about: Mapping[str, Any]) -> dict[bytes, bytes]:
    encoded = json.dumps(about, sort_keys=True).encode()
    return {METADATA: encoded, METADATA_CHECKSUM: b"%08x" % zlib.crc32(encoded)}


def decode_metadata(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """The metadata of a file. Raises UnreadableError where it is foreign, newer or damaged, and what json raises."""
    encoded = (metadata or {}).get(METADATA)
    if encoded is None:
        raise UnreadableError(FOREIGN)
    about = json.loads(encoded)
    if not isinstance(about, dict) or not isinstance(about.get("schema"), int):
        raise UnreadableError(FOREIGN)
    if not 1 <= about["schema"] <= SCHEMA:
        raise UnreadableError(f"schema {about['schema']}, and this code reads 1 to {SCHEMA}: update it")
    if about["schema"] >= CHECKED_SINCE and metadata.get(METADATA_CHECKSUM) != b"%08x" % zlib.crc32(encoded):
        raise UnreadableError("damaged: its metadata has another checksum")
    return about


def column_types(schema: pa.Schema) -> list[str]:
    """The type of each column as it is read back: Parquet does not store how large a string may be."""
    return [str(field.type).removeprefix("large_").split("<")[0] for field in schema]


def checksum(table: pa.Table) -> int:
    """CRC-32 of the values, column by column: each page has its own, but nothing protects the offset of a page."""
    found = 0
    for column in table.itercolumns():
        values = column.to_numpy()
        plain = "\0".join(map(str, values)).encode() if values.dtype == object else values.tobytes()
        found = zlib.crc32(plain, found)
    return found


def check_shape(about: dict[str, Any], schema: pa.Schema, rows: int) -> None:
    """Compare Parquet's footer, which has no checksum, with the metadata. Files of earlier code list no types."""
    if about["schema"] < CHECKED_SINCE:
        return
    expected, found = (about.pop("columns"), about.pop("rows")), (schema.names, rows)
    if expected != found or about.pop("types", column_types(schema)) != column_types(schema):
        raise UnreadableError("damaged: its columns and rows are not those it was written with")


def write_table(path: Path, table: pa.Table, about: Mapping[str, Any], **more: str) -> None:
    """Write a table and its metadata as a whole; more: further entries of the metadata.

    Left out is what nobody reads: statistics of columns, a copy of the metadata in an Arrow schema, and dictionaries
    of anything but text.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    schema = table.schema.remove_metadata()
    options = {"write_page_checksum": True, "write_statistics": False, "store_schema": False}
    described = dict(about) | {"columns": schema.names, "types": column_types(schema), "rows": len(table)}
    if "constant" in about:
        described["checksum"] = checksum(table.drop_columns(list(about["constant"])))
    with written_whole(path) as file, pq.ParquetWriter(file, schema, use_dictionary=texts, **options) as writer:
        writer.write_table(table.cast(schema))
        writer.add_key_value_metadata(encode_metadata(described) | more)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The open file, its pages checked as they are read, and its metadata. Raises UnreadableError and what pyarrow
    raises."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        about = decode_metadata(file.metadata.metadata)
        check_shape(about, file.schema_arrow, file.metadata.num_rows)
        yield file, about


def read_table(path: Path) -> pa.Table:
    """All rows of a file; one of earlier code, which has no metadata of this suite, is read unchecked."""
    import pyarrow.parquet as pq

    if METADATA not in (pq.read_metadata(path).metadata or {}):
        return pq.read_table(path)
    with opened(path) as (file, _):
        return file.read()
