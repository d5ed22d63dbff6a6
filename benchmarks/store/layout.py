"""How runs lie in a Parquet file: every row whole, and in the file's own words, under a checksum, what its rows share.

The rows are for every reader of Parquet. Ours has thousands of files to open, and takes from each only the columns that
vary within it: what they share it has read already, with the words.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

WORDS, SUM = b"hessbench", b"hessbench-crc32"
SUMMED = 3  # the first schema whose words have a checksum, and tell what the rows share
ABSENT = "not written by this suite"


class ForeignError(ValueError):
    """A file that holds no runs, or none for this code; a sentence."""


def constant(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is the same in all rows, by column; compared as it is written, so that 0.0 is not -0.0 and NaN is NaN."""
    first = rows[0]
    return {
        name: value
        for name, value in first.items()
        if all(name in row and json.dumps(row[name]) == json.dumps(value) for row in rows[1:])
    }


def words(about: Mapping[str, Any]) -> dict[bytes, bytes]:
    """What a file says of itself, for its metadata."""
    said = json.dumps(about, sort_keys=True).encode()
    return {WORDS: said, SUM: b"%08x" % zlib.crc32(said)}


def heard(metadata: Mapping[bytes, bytes] | None, newest: int) -> dict[str, Any]:
    """What a file says of itself. Raises ForeignError where that cannot be believed, and what json does."""
    said = (metadata or {}).get(WORDS)
    if said is None:
        raise ForeignError(ABSENT)
    about = json.loads(said)
    if not isinstance(about, dict) or not isinstance(about.get("schema"), int):
        raise ForeignError(ABSENT)
    if not 1 <= about["schema"] <= newest:
        raise ForeignError(f"schema {about['schema']}, and this code reads 1 to {newest}: update it")
    if about["schema"] >= SUMMED and metadata.get(SUM) != b"%08x" % zlib.crc32(said):
        raise ForeignError("damaged: what it says of its runs has another checksum")
    return about


def types(schema: pa.Schema) -> list[str]:
    """The type of each column, as a file that was written with it is read."""
    return [str(field.type).removeprefix("large_").split("<")[0] for field in schema]


def checksum(table: pa.Table) -> int:
    """CRC-32 of the values, column by column: each page has its own, but not the place where a page is looked for."""
    found = 0
    for column in table.itercolumns():
        values = column.to_numpy()
        plain = "\0".join(map(str, values)).encode() if values.dtype == object else values.tobytes()
        found = zlib.crc32(plain, found)
    return found


def check_shape(about: dict[str, Any], schema: pa.Schema, rows: int) -> None:
    """That the end of the file, which has no checksum of its own, tells of the same table as the words. Files of
    earlier code tell no types."""
    if about["schema"] < SUMMED:
        return
    told, found = (about.pop("columns"), about.pop("rows")), (schema.names, rows)
    if told != found or about.pop("types", types(schema)) != types(schema):
        raise ForeignError("damaged: its columns and rows are not those it was written with")


def write(table: pa.Table, about: Mapping[str, Any], file: Any, **more: str) -> None:
    """A table with checksums of its pages, and with these words; more: other entries of its metadata.

    Little is written that is not read: no statistics of columns, no second copy of the words in an Arrow schema, and
    dictionaries for text alone.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    schema = table.schema.remove_metadata()
    options = {"write_page_checksum": True, "write_statistics": False, "store_schema": False}
    with pq.ParquetWriter(file, schema, use_dictionary=texts, **options) as writer:
        writer.write_table(table.cast(schema))
        told = dict(about) | {"columns": schema.names, "types": types(schema), "rows": len(table)}
        if "constant" in about:
            told["checksum"] = checksum(table.drop_columns(list(about["constant"])))
        writer.add_key_value_metadata(words(told) | more)
