"""asv's folder of results as measurements: a commit's medians and their intervals, its samples, failed and n/a cells.

`asv.results` and `asv.benchmarks` are not a promised interface: asv is pinned, and the stored examples under
`tests/examples` say what is expected of it. `Results.load` is called file by file, for `iter_results` prints what it
cannot read and lets a foreign file raise.
"""

from __future__ import annotations

import ast
import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

from .measurements import DIGITS, SECONDS, Measurements, cpu, parameter_columns, tidy

QUANTITIES = {"time": "time", "timeraw": "time", "peakmemory": "peak memory", "memory": "memory"}  # by asv's type
FOREIGN = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)  # of JSON of another shape


def asv_results(folder: Path | str) -> Measurements:
    """All results in asv's folder, of the benchmarks as they are now; the columns are those of `measurements`.

    Files that cannot be read are named and skipped; results of another version of a benchmark than `benchmarks.json`
    tells, or of one that is gone, are left out and counted. An empty or absent folder gives no rows.
    """
    folder = Path(folder)
    files = sorted(path for path in folder.glob("*/*.json") if path.name != "machine.json")
    if not files:
        return Measurements(tidy([]))
    try:
        from asv.benchmarks import Benchmarks
        from asv.results import Results
        from asv.util import UserError
    except ImportError:
        return Measurements(tidy([]), {folder.name: "asv is not here to read it: pip install -e '.[asv]'"})

    class Folder:
        results_dir, benchmark_dir = str(folder), ""

    described = folder / "benchmarks.json"
    try:
        benchmarks = Benchmarks.load(Folder)
    except (UserError, *FOREIGN) as error:
        return Measurements(tidy([]), {described.name: reason(error, described)})
    rows, skipped, older = [], {}, Counter()
    for path in files:
        try:
            results = Results.load(str(path))
            found, outdated = list(result_rows(results, benchmarks)), set(old_keys(results, benchmarks))
        except (UserError, *FOREIGN) as error:
            skipped[path.relative_to(folder).as_posix()] = reason(error, path)
        else:
            older.update(outdated)
            rows += [row | {"file": path.name} for row in found]
    return Measurements(tidy(rows), skipped, dict(sorted(older.items())))


def reason(error: Exception, path: Path) -> str:
    """One line without the folders of this machine."""
    text = str(error).splitlines()[0].replace(os.path.abspath(path), path.name) if str(error) else ""
    return text if type(error).__name__ == "UserError" else f"not written by asv ({type(error).__name__}: {text})"


def old_keys(results: Any, benchmarks: Mapping[str, dict]) -> Iterator[str]:
    """Benchmarks with a result here that is not one of the benchmark as it is now."""
    current = results.get_result_keys(benchmarks)  # asv's own test: known, and of the same version
    for name in results.get_all_result_keys():
        if name not in current or len(results.get_result_params(name)) != len(benchmarks[name]["param_names"]):
            yield name


def result_rows(results: Any, benchmarks: Mapping[str, dict]) -> Iterator[dict[str, Any]]:
    """One commit in one environment on one machine."""
    about = provenance(results)
    for name in sorted(set(results.get_all_result_keys()) - set(old_keys(results, benchmarks))):
        known = benchmarks[name]
        axes = results.get_result_params(name)  # of the result: a cell that was not there has not failed
        timed = known["type"] in ("time", "timeraw")
        common = about | {
            "benchmark": name,
            "version": known["version"],
            "measured": iso(results.started_at.get(name)),
            "quantity": quantity(known),
            "unit": SECONDS.get(known["unit"], known["unit"]),
        }
        cells = zip(
            product(*axes),
            results.get_result_value(name, axes),
            results.get_result_stats(name, axes),
            results.get_result_samples(name, axes),
            strict=True,
        )
        for setting, value, statistics, samples in cells:
            parameters = dict(zip(known["param_names"], map(literal, setting), strict=True))
            row = common | parameter_columns(parameters) | outcome(value)
            if not timed:
                yield row | {"statistic": "value", "repeat": 0}
                continue
            yield row | {"statistic": "median"} | summary(statistics or {})
            for repeat, sample in enumerate(samples or ()):
                yield row | {"statistic": "value", "repeat": repeat, "value": sample}


def provenance(results: Any) -> dict[str, Any]:
    """Where a file of results comes from. An environment that asv was only lent is named after its place: not here."""
    known = results.params
    gpu = [f"{known[name]}" for name in ("gpu", "driver") if known.get(name)]
    host = cpu(known.get("cpu"), known.get("num_cpu"))
    lent = results.env_name.startswith("existing")
    threads = str(results.env_vars.get("OMP_NUM_THREADS", ""))
    return {
        "source": "asv",
        "commit": results.commit_hash[:DIGITS],
        "date": iso(results.date),
        "machine": "; ".join([", driver ".join(gpu), host] if gpu else [host]),
        "host": known["machine"],
        "environment": f"existing-{hashlib.sha256(results.env_name.encode()).hexdigest()[:6]}"
        if lent
        else results.env_name,
        "python": None if lent else known.get("python"),
        "torch": known.get("torch"),
        "threads": int(threads) if threads.isdigit() else None,
    }


def iso(milliseconds: float | None) -> str | None:
    """asv's time stamp in words, UTC."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def quantity(benchmark: Mapping[str, Any]) -> str:
    """What is measured: of a tracked number the unit if that is iterations, else the name of the function."""
    if benchmark["type"] in QUANTITIES:
        return QUANTITIES[benchmark["type"]]
    if benchmark["unit"] in ("iterations", "seconds"):
        return {"iterations": "iterations", "seconds": "time"}[benchmark["unit"]]
    return benchmark["name"].rsplit(".", 1)[-1].removeprefix("track_").replace("_", " ")


def literal(text: str) -> Any:
    """A parameter, of which asv keeps the repr."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def outcome(value: float | None) -> dict[str, Any]:
    """asv keeps null for what failed and NaN for what declined or was not reached; Infinity is a number."""
    if value is None:
        return {"value": math.nan, "status": "failed"}
    return {"value": float(value), "status": "n/a" if math.isnan(value) else "ok"}


def summary(statistics: Mapping[str, float | None]) -> dict[str, Any]:
    """The interval, where there were enough samples for a finite one, the quartiles and the number of samples."""
    low, high = (statistics.get(name) for name in ("ci_99_a", "ci_99_b"))
    finite = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    interval = {"low": low, "high": high, "interval": "99 %"} if finite else {}
    quartiles = {"q_25": statistics.get("q_25"), "q_75": statistics.get("q_75")}
    return interval | quartiles | {"samples": statistics.get("repeat")}
