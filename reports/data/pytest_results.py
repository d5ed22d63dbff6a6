"""The JSON of pytest-benchmark as measurements: the median of every benchmark, and the numbers that it noted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from numbers import Real
from pathlib import Path
from typing import Any

from .measurements import DIGITS, PARAMETERS, Measurements, cpu, parameter_columns, tidy


def pytest_results(paths: Path | str | Iterable[Path]) -> Measurements:
    """Files written with --benchmark-json or --benchmark-autosave, or a folder of them, as `measurements` says.

    Files that cannot be read are named and skipped. Tests that failed are not in such a file. The single timings are
    left there: a kernel of a microsecond has a hundred thousand of them.
    """
    if isinstance(paths, (str, Path)):
        paths = sorted(Path(paths).rglob("*.json")) if Path(paths).is_dir() else [Path(paths)]
    rows, skipped = [], {}
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found = list(benchmark_rows(content))
        except json.JSONDecodeError as error:
            skipped[path.name] = str(error)
        except OSError as error:
            skipped[path.name] = error.strerror or type(error).__name__
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:  # JSON of another shape
            skipped[path.name] = f"not written by pytest-benchmark ({type(error).__name__}: {error})"
        else:
            rows += [row | {"file": path.name} for row in found]
    return Measurements(tidy(rows), skipped)


def benchmark_rows(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One file: a session on one machine. Its host's name is not read."""
    machine, commit = content["machine_info"], content["commit_info"]
    torch = machine.get("torch") or {}
    common = {
        "source": "pytest-benchmark",
        "commit": commit["id"][:DIGITS] + "+" * bool(commit.get("dirty")) if commit.get("id") else None,
        "date": utc(commit.get("time")),
        "measured": utc(content["datetime"]),
        "machine": cpu(machine["cpu"].get("brand_raw"), machine["cpu"].get("count")),
        "environment": ", ".join(str(machine[name]) for name in ("system", "machine") if name in machine),
        "python": machine.get("python_version"),
        "torch": torch.get("version"),
        "threads": torch.get("threads"),
    }
    for benchmark in content["benchmarks"]:
        about = common | {"benchmark": benchmark["fullname"].split("[")[0], "group": benchmark.get("group")}
        noted = benchmark.get("extra_info") or {}
        settings = {name: value for name, value in noted.items() if name in PARAMETERS}
        about |= parameter_columns((benchmark.get("params") or {}) | settings)
        statistics = benchmark["stats"]
        yield about | {
            "quantity": "time",
            "unit": "s",
            "statistic": "median",
            "value": statistics["median"],
            "q_25": statistics["q1"],
            "q_75": statistics["q3"],
            "samples": statistics["rounds"],
            "status": "ok",
        }
        for name, value in noted.items():
            found = observation(value)
            if found and name not in settings:
                yield about | {"quantity": name.replace("_", " "), "unit": "", "status": "ok"} | found


def observation(noted: Any) -> dict[str, Any]:
    """A number that a benchmark noted, or a median with its 95 % interval; nothing where it is neither."""
    if isinstance(noted, Real) and not isinstance(noted, bool):
        return {"statistic": "value", "repeat": 0, "value": noted}
    if isinstance(noted, Mapping) and set(noted) == {"median", "low", "high"}:
        return {"statistic": "median", "value": noted["median"], "low": noted["low"], "high": noted["high"]} | {
            "interval": "95 %"
        }
    return {}


def utc(text: str | None) -> str | None:
    """An ISO date in UTC, whole seconds; one without a zone is UTC, as pytest-benchmark writes it."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="seconds")
