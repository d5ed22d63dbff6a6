"""A folder of runs as one table: what cannot be believed is named and left out, and no run is in it twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .store import PACK, SCHEMA, SUFFIX

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = ("run", "machine", "date", "code_version", "problem", "solver", "label", "case", "rules", "dtype", "device")
COUNTS = ("threads", "repeat", "iteration")
ABSENT = "not written by this suite"


@dataclass(frozen=True)
class Stored:
    """table: one row an iterate (None: no runs). metadata: by run. skipped: files left out, by name, with the
    reason. files: where each run is."""

    table: pa.Table | None
    metadata: dict[str, dict[str, Any]]
    skipped: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)


class ForeignError(ValueError):
    """A file that holds no runs, or none for this code; a sentence."""


def read(folder: Path) -> Stored:
    """All runs of a folder, packed or not, in one go; a file with a page that is damaged is found and left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    skipped: dict[str, str] = {}
    while True:
        files, metadata, places = survey(folder, skipped)
        if not files:
            return Stored(None, {}, skipped)
        try:
            table = rows(files)
            return Stored(table.filter(pc.is_in(table["run"], pa.array(list(metadata)))), metadata, skipped, places)
        except (OSError, ValueError, TypeError):  # pyarrow's errors are all of these
            damaged = list(unreadable(files))
            if not damaged:
                raise
            skipped.update(damaged)


def survey(
    folder: Path, skipped: dict[str, str]
) -> tuple[dict[Path, pa.Schema], dict[str, dict[str, Any]], dict[str, str]]:
    """The files that hold runs, with their columns; what is said of each run; where each is. Others are `skipped`.

    Packs come first: a run that is packed and still has its own file is read from the pack alone.
    """
    files: dict[Path, pa.Schema] = {}
    metadata: dict[str, dict[str, Any]] = {}
    places: dict[str, str] = {}
    paths = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: (not path.name.startswith(PACK), path.name))
    whole: list[pa.Schema] = []
    for path in paths:
        if path.name.startswith(".") or path.name in skipped or path.stem in metadata:
            continue
        try:
            schema, runs = described(path)
            if twice := runs.keys() & metadata.keys():
                raise ForeignError(f"holds runs that another pack holds too, such as {min(twice)}")
            if schema not in whole:
                unified([*whole, schema])
                whole.append(schema)
        except OSError as error:
            skipped[path.name] = str(error).splitlines()[0]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            skipped[path.name] = str(error).splitlines()[0] if str(error) else ABSENT
        else:
            files[path] = schema
            metadata |= runs
            places |= dict.fromkeys(runs, path.name)
    return files, metadata, places


def described(path: Path) -> tuple[pa.Schema, dict[str, dict[str, Any]]]:
    """The columns of a file, and what it says of each of its runs. Raises what pyarrow does, and ForeignError."""
    import pyarrow.parquet as pq

    footer = pq.read_metadata(path)
    stored = footer.metadata or {}
    if b"hessbench" not in stored:
        raise ForeignError(ABSENT)
    about = json.loads(stored[b"hessbench"])
    if not isinstance(about, dict) or not isinstance(about.get("schema"), int):
        raise ForeignError(ABSENT)
    if not 1 <= about["schema"] <= SCHEMA:
        raise ForeignError(f"schema {about['schema']}, and this code reads 1 to {SCHEMA}: update it")
    schema = footer.schema.to_arrow_schema().remove_metadata()
    check_columns(schema)
    if path.name.startswith(PACK):
        return schema, {run: unfolded(about, run) for run in about["runs"]}
    column = schema.names.index("run")
    for group in range(footer.num_row_groups):
        held = footer.row_group(group).column(column).statistics
        if held is None or not held.min == held.max == path.stem:
            raise ForeignError("its name is not that of the run it holds")
    return schema, {path.stem: about}


def unfolded(about: dict[str, Any], run: str) -> dict[str, Any]:
    """What a pack says of a run, as the run's own file did."""
    known = about["runs"][run]
    return {name: about["shared"][value] if name == "environment" else value for name, value in known.items()}


def check_columns(schema: pa.Schema) -> None:
    import pyarrow as pa

    for names, kind, right in (
        (TEXTS, "text", lambda t: pa.types.is_string(t) or pa.types.is_large_string(t)),
        (COUNTS, "whole numbers", pa.types.is_integer),
    ):
        for name in names:
            if schema.get_field_index(name) < 0:
                raise ForeignError(f"it has no column {name!r}, or more than one")
            if not right(schema.field(name).type):
                raise ForeignError(f"its column {name!r} is not {kind}")


def unified(schemas: list[pa.Schema]) -> pa.Schema:
    import pyarrow as pa

    try:
        return pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ForeignError(f"its columns are not those of the others: {str(error).splitlines()[0]}") from None


def rows(files: dict[Path, pa.Schema]) -> pa.Table:
    """The rows of all files at once, their pages checked."""
    import pyarrow.dataset as ds

    schema = unified(list(dict.fromkeys(files.values())))
    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    form = ds.ParquetFileFormat(default_fragment_scan_options=options)
    return ds.dataset([str(path) for path in files], schema=schema, format=form).to_table()


def unreadable(files: dict[Path, pa.Schema]) -> Iterator[tuple[str, str]]:
    for path, schema in files.items():
        try:
            rows({path: schema})
        except (OSError, ValueError, TypeError) as error:
            yield path.name, f"damaged: {str(error).splitlines()[0]}"
