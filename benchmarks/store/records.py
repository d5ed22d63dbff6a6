"""Records in JSON, one file each: written as a whole, and read without trust in what else lies in the folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from solvers.common.files import written_whole

from .parquet import UnreadableError

T = TypeVar("T")


def without_nan(value: Any) -> Any:
    """The same plain value with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {name: without_nan(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    with written_whole(path) as file:
        file.write((json.dumps(record, indent=1) + "\n").encode())


def read_record(path: Path, schema: int) -> dict[str, Any]:
    """One record. Raises UnreadableError for another schema, OSError, and whatever a foreign file leads to."""
    record = json.loads(path.read_text(encoding="utf-8"))
    if record["schema"] != schema:
        raise UnreadableError(f"schema {record['schema']}, and this code reads {schema}: measure again")
    return record


def read_records(folder: Path, read: Callable[[Path], T], command: str) -> tuple[list[T], dict[str, str]]:
    """What `read` makes of each file of a folder, which need not exist; and the files that it cannot use, with the
    reason. command: what writes such files."""
    found, skipped = [], {}
    for path in sorted(folder.glob("[!.]*.json")):
        try:
            found.append(read(path))
        except UnreadableError as error:
            skipped[path.name] = str(error)
        except OSError as error:
            skipped[path.name] = error.strerror or type(error).__name__
        except json.JSONDecodeError as error:
            skipped[path.name] = f"not JSON: {error}"
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            skipped[path.name] = f"not written by `python -m benchmarks {command}` ({type(error).__name__}: {error})"
    return found, skipped
