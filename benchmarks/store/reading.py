"""A folder of runs as one table: unusable files are skipped with a reason, and no run is in the table twice."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .parquet import FOREIGN, UnreadableError, checksum, opened
from .runs import PACK, SUFFIX

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = ("run", "machine", "date", "code_version", "problem", "solver", "label", "case", "rules", "dtype", "device")
COUNTS = ("threads", "repeat", "iteration")
RUN = "run"  # the column with the key of the run that a row belongs to


@dataclass(frozen=True)
class Stored:
    """table: one row per iterate (None: no runs). metadata: by run. skipped: files left out, by name, with the
    reason. files: the name of the file of each run."""

    table: pa.Table | None
    metadata: dict[str, dict[str, Any]]
    skipped: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class File:
    """A file of runs. constant: the columns with one value in all rows, where the metadata lists them. table: the other
    columns."""

    name: str
    schema: pa.Schema  # of all its columns
    runs: dict[str, dict[str, Any]]  # the metadata of each
    constant: dict[str, Any]
    table: pa.Table
    rows: int  # also where no column varies, and the table has none


def read(folder: Path) -> Stored:
    """All runs of a folder, packed or not; a file with a damaged page is skipped.

    Packs come first: a run that is packed and still has its own file is read from the pack alone.
    """
    skipped: dict[str, str] = {}
    metadata: dict[str, dict[str, Any]] = {}
    places: dict[str, str] = {}
    groups: dict[tuple[Any, ...], list[File]] = {}  # files with the same columns, the same of them constant
    schemas: list[pa.Schema] = []
    for paths in packs_and_single_runs(folder):
        for path, found in read_in_parallel([path for path in paths if path.stem not in metadata]):
            try:
                if isinstance(found, str):
                    raise UnreadableError(found)
                if twice := found.runs.keys() & metadata.keys():
                    raise UnreadableError(f"holds runs that another pack holds too, such as {min(twice)}")
                if found.schema not in schemas:
                    check_columns(found.schema)
                    unified([*schemas, found.schema])
                    schemas.append(found.schema)
            except UnreadableError as error:
                skipped[path.name] = str(error)
                continue
            groups.setdefault((schemas.index(found.schema), *found.constant), []).append(found)
            metadata |= found.runs
            places |= dict.fromkeys(found.runs, path.name)
    return Stored(all_rows(groups.values()) if groups else None, metadata, skipped, places)


def packs_and_single_runs(folder: Path) -> tuple[list[Path], list[Path]]:
    paths = sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))
    packs = [path for path in paths if path.name.startswith(PACK)]
    return packs, [path for path in paths if path not in set(packs)]


def read_in_parallel(paths: list[Path]) -> Iterator[tuple[Path, File | str]]:
    """Files, or what is wrong with them: most of the work happens in native code, so threads help."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None) as pool:
        yield from zip(paths, pool.map(read_or_reason, paths), strict=True)


def read_or_reason(path: Path) -> File | str:
    """A file, or in one line why it cannot be read."""
    try:
        return read_file(path)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return str(error).splitlines()[0] if str(error) else FOREIGN


def read_file(path: Path) -> File:
    """A file, with those of its columns that vary. Raises what `opened` raises."""
    with opened(path) as (file, about):
        schema = file.schema_arrow.remove_metadata()
        pack = path.name.startswith(PACK)
        constant, sum_of_rest = ({}, None) if pack else (about.pop("constant", {}), about.pop("checksum", None))
        if not pack and runs_of(file.metadata, constant) != {path.stem}:
            raise UnreadableError("its name is not that of the run it holds")
        runs = {run: metadata_in_pack(about, run) for run in about["runs"]} if pack else {path.stem: about}
        try:
            table = file.read([name for name in schema.names if name not in constant], use_threads=pack)
        except (OSError, ValueError) as error:  # pyarrow's errors are both
            raise UnreadableError(f"damaged: {str(error).splitlines()[0]}") from None
        if sum_of_rest not in (None, checksum(table)):
            raise UnreadableError("damaged: its columns have another checksum")
    return File(path.name, schema, runs, constant, table.replace_schema_metadata(None), file.metadata.num_rows)


def runs_of(footer: Any, constant: dict[str, Any]) -> set[str | None]:
    """The run of a file that is no pack, from its metadata or the statistics of its column; with "" or None where these
    are missing."""
    if RUN in constant:
        return {constant[RUN]}
    column = footer.schema.names.index(RUN)
    groups = [footer.row_group(k).column(column).statistics for k in range(footer.num_row_groups)]
    return {end for held in groups for end in ((held.min, held.max) if held is not None else (None, ""))}


def metadata_in_pack(about: dict[str, Any], run: str) -> dict[str, Any]:
    """The metadata of a run as its own file had it: a pack stores each environment once."""
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
                raise UnreadableError(f"it has no column {name!r}, or more than one")
            if not right(schema.field(name).type):
                raise UnreadableError(f"its column {name!r} is not {kind}")


def unified(schemas: list[pa.Schema]) -> pa.Schema:
    import pyarrow as pa

    try:
        return pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UnreadableError(f"its columns are not those of the others: {str(error).splitlines()[0]}") from None


def all_rows(groups: Iterable[list[File]]) -> pa.Table:
    import pyarrow as pa

    tables = [rows_of_group(files) for files in groups]
    return pa.concat_tables(
        [unified([table.schema for table in tables]).empty_table(), *tables], promote_options="permissive"
    )


def rows_of_group(files: list[File]) -> pa.Table:
    """The rows of files with the same columns, their constant ones filled in."""
    import pyarrow as pa

    table = pa.concat_tables(file.table for file in files).combine_chunks()
    place = pa.array(np.repeat(np.arange(len(files)), [file.rows for file in files]))
    schema, constant = files[0].schema, files[0].constant
    columns = [
        pa.array([file.constant[field.name] for file in files], field.type).take(place)
        if field.name in constant
        else table[field.name]
        for field in schema
    ]
    return pa.table(columns, schema=schema)
