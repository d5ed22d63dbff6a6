"""A store is read whatever lies in it: every version of a run, packed or not; what cannot be is named."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from benchmarks.command.main import app
from benchmarks.runner.environment import ROOT
from benchmarks.runner.measure import Measurement, evaluate, measure
from benchmarks.runner.suites import Case, classic, fixed
from benchmarks.store import packing, reading
from benchmarks.store import runs as store_module
from benchmarks.store.locks import Locks
from benchmarks.store.parquet import METADATA, SCHEMA, constant_columns, encode_metadata, write_table
from benchmarks.store.runs import Store, packed, run_key
from benchmarks.store.verification import difference, rebuilt
from reports.data.runs import load
from reports.page.sources import sources
from tests.forks import Fork

EXAMPLES = ROOT / "tests" / "examples" / "runs"
CASE = Case("breast-cancer-l2", "newton", stop=fixed(2))
CLASSIC = next(case for case in classic() if case.solver == "newton")
CASES = [CASE, replace(CASE, solver="newton-cholesky"), replace(CLASSIC, stop=CLASSIC.stop)]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Store:
    """Two repeats of three cases."""
    store = Store(tmp_path_factory.mktemp("reading") / "runs")
    store.prepare()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "calibration", lambda *_: {"gemm_gflops": 1.0})
        for case in CASES:
            for repeat in range(2):
                store.write(run_key(case, repeat), measure(case, repeat))
    return store


@pytest.fixture
def store(made, tmp_path) -> Store:
    """A copy of them, to spoil."""
    copy = Store(tmp_path / "runs")
    copy.prepare()
    for path in made.folder.iterdir():
        (copy.folder / path.name).write_bytes(path.read_bytes())
    return copy


def changed(path: Path, **about) -> None:
    """The same rows, with other metadata."""
    table = pq.read_table(path)
    write_table(path, table, json.loads(table.schema.metadata[METADATA]) | about)


# --- versions


def test_an_example_of_every_schema_is_read():
    runs = load(EXAMPLES, code="all")
    assert not runs.skipped and {about["schema"] for about in runs.metadata.values()} == set(range(1, SCHEMA + 1))
    one, two, three = (frame.reset_index(drop=True) for _, frame in runs.frame.groupby("run"))
    assert len(one) == len(two) == 3 and list(one["value"]) == list(two["value"])
    pd.testing.assert_frame_equal(three.drop(columns="run"), two.drop(columns="run"))
    assert one["iterate"].isna().all() and two["iterate"].str.fullmatch("[0-9a-f]{16}").all()
    assert two["deterministic"].all() and not two["disturbed"].any()
    assert json.loads(two["settings"].iloc[0]) == {"class": "Newton", "damping": 1e-6}


@pytest.mark.parametrize("schema", [SCHEMA + 1, 0, -1])
def test_another_schema_is_refused_in_a_sentence(store, schema):
    path = next(store.folder.glob("*.parquet"))
    changed(path, schema=schema)
    assert load(store.folder).skipped == {path.name: f"schema {schema}, and this code reads 1 to {SCHEMA}: update it"}


# --- what is foreign or damaged


@pytest.mark.parametrize("part", ["data", "dictionary"])
def test_a_damaged_page_is_found_by_its_checksum(store, part):
    """Bytes in the middle, where Parquet itself would read other numbers without a word."""
    path = sorted(store.folder.glob("*.parquet"))[0]
    content = bytearray(path.read_bytes())
    meta = pq.read_metadata(path).row_group(0)
    column = next(meta.column(k) for k in range(meta.num_columns) if meta.column(k).path_in_schema == "iterate")
    end = column.dictionary_page_offset + column.total_compressed_size
    content[(end if part == "data" else column.data_page_offset) - 1] ^= 0xFF
    path.write_bytes(content)
    found = load(store.folder)
    assert set(found.skipped) == {path.name} and found.skipped[path.name].startswith("damaged: ")
    assert found.frame["run"].nunique() == 5


def test_whatever_bytes_lie_in_a_store_they_are_named_and_the_rest_is_read(store):
    """Files cut off, overwritten or made up, seventy of them."""
    rng = random.Random(0)
    whole = sorted(path.read_bytes() for path in store.folder.glob("*.parquet"))[0]
    for k in range(70):
        content = bytearray(whole)
        match k % 4:
            case 0:
                content = content[: rng.randrange(len(content))]
            case 1:
                for _ in range(rng.randrange(1, 20)):
                    content[rng.randrange(len(content))] = rng.randrange(256)
            case 2:
                content[-rng.randrange(8, 3000)] ^= 1 << rng.randrange(8)
            case 3:
                content = bytearray(rng.randbytes(rng.randrange(200))) + b"PAR1"
        (store.folder / f"hostile {k}'\".parquet").write_bytes(content)
    found = load(store.folder)
    assert len(found.skipped) == 70 and found.frame["run"].nunique() == len(found.metadata) == 6
    assert all(reason and "\n" not in reason for reason in found.skipped.values())


def put(table: pa.Table, column: str, value: object) -> pa.Table:
    return table.set_column(table.schema.names.index(column), column, pa.array([value] * len(table)))


SAID = {
    "no JSON": (b"{", ""),
    "a list": (b"[1]", "not written by this suite"),
    "nested without end": (b"[" * 100_000, ""),
    "other metadata with the old checksum": (b'{"schema": 3}', "has another checksum"),
}


@pytest.mark.parametrize("what", SAID)
def test_a_file_whose_own_words_make_no_sense_is_named(store, what):
    said, words = SAID[what]
    table = pq.read_table(next(store.folder.glob("*.parquet")))
    pq.write_table(table.replace_schema_metadata(table.schema.metadata | {METADATA: said}), store.folder / "zz.parquet")
    found = load(store.folder)
    assert list(found.skipped) == ["zz.parquet"] and words in found.skipped["zz.parquet"]
    assert found.frame["run"].nunique() == 6


FOREIGN = {
    "a column is missing": (lambda t: t.drop_columns(["machine"]), "no column 'machine'"),
    "text for a number": (lambda t: put(t, "repeat", "x"), "'repeat'"),
    "a number for text": (lambda t: put(t, "date", 1), "'date'"),
    "a list for a number": (lambda t: put(t, "gap", [1.0]), "its columns are not those of the others"),
    "of another name": (lambda t: put(t, "run", "yy"), "its name is not that of the run it holds"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_file_is_named_with_what_is_wrong_with_it(store, what):
    spoil, words = FOREIGN[what]
    table = pq.read_table(next(store.folder.glob("*.parquet")))
    about = json.loads(table.schema.metadata[METADATA])
    table = spoil(put(table, "run", "zz"))
    write_table(store.folder / "zz.parquet", table, about | {"constant": constant_columns(table.to_pylist())})
    found = load(store.folder)
    assert list(found.skipped) == ["zz.parquet"] and words in found.skipped["zz.parquet"]
    assert found.frame["run"].nunique() == 6


def test_one_wrong_bit_anywhere_in_a_run_is_named_or_changes_nothing(made, tmp_path):
    """Each of 250 bits drawn at random, in pages, in metadata and footer; other bits on other days."""
    rng = random.Random(0)
    victim = made.folder / f"{run_key(CASE, 0)}.parquet"
    whole, path = victim.read_bytes(), tmp_path / victim.name
    path.write_bytes(whole)
    (before,) = reading.read(tmp_path).table.to_pandas().groupby("run")
    named = 0
    for bit in rng.sample(range(8 * len(whole)), 250):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        found = reading.read(tmp_path)
        named += len(found.skipped)
        if found.table is not None:
            pd.testing.assert_frame_equal(found.table.to_pandas(), before[1])
        assert (found.table is None) == bool(found.skipped)
    assert named > 40


@pytest.mark.parametrize("name", ["types", "checksum"])
def test_an_end_that_tells_of_other_types_or_values_is_named_and_earlier_code_told_neither(store, name):
    victim = next(store.folder.glob("*.parquet"))
    table = pq.read_table(victim)
    about = json.loads(table.schema.metadata[METADATA])
    other = {"types": about["types"][::-1], "checksum": about["checksum"] ^ 1}
    for said, skipped in ((about | {name: other[name]}, [victim.name]), (without(about, name), [])):
        pq.write_table(table.replace_schema_metadata(encode_metadata(said)), victim)
        assert list(load(store.folder).skipped) == skipped


def without(about, name):
    return {key: value for key, value in about.items() if key != name}


def test_a_run_of_one_row_in_which_nothing_varies_is_read(store):
    """One that raised, or ended where it began."""
    store.write("00", Measurement(CASE, 7, None, "no step today"))
    found = load(store.folder)
    assert found.frame["run"].nunique() == len(found.metadata) == 7
    (row,) = found.frame[found.frame["run"] == "00"].to_dict("records")
    assert row["message"] == "no step today" and row["repeat"] == 7 and row["iteration"] == 0


# --- packs


def packs(store: Store) -> dict[str, int]:
    return {path.name: len(packed(path)) for path in store.packs()}


def invoke(*words: str):
    return CliRunner().invoke(app, list(words))


def test_packed_runs_are_read_and_resumed_like_the_rest(store):
    before, keys = load(store.folder), store.keys()
    outcome = invoke("pack", "--store", str(store.folder))
    assert outcome.exit_code == 0 and "6 runs packed" in outcome.stderr
    assert packs(store) == {"pack-classic.parquet": 2, "pack-other.parquet": 4}
    assert len(list(store.folder.glob("*.parquet"))) == 2
    after = load(store.folder)
    pd.testing.assert_frame_equal(after.frame, before.frame)
    assert after.metadata == before.metadata
    assert store.keys() == keys and store.missing([*keys, "0123"]) == {"0123"}
    assert sources(after, store.folder).file(run_key(CASE, 0)) == "./pack-other.parquet"


def test_what_is_measured_later_joins_its_pack(store):
    last = store.folder / f"{run_key(CASE, 1)}.parquet"
    content = last.read_bytes()
    last.unlink()
    invoke("pack", "--store", str(store.folder))
    last.write_bytes(content)
    assert "1 runs packed" in invoke("pack", "--store", str(store.folder)).stderr
    assert packs(store)["pack-other.parquet"] == 4 and load(store.folder).frame["run"].nunique() == 6
    assert "0 runs packed" in invoke("pack", "--store", str(store.folder)).stderr


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["write_table", "replace", "unlink"])
def test_a_pack_that_is_killed_leaves_each_run_and_none_twice(store, monkeypatch, moment):
    before = load(store.folder).frame

    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        if moment == "write_table":
            patch.setattr(packing, "write_table", die)
        elif moment == "replace":
            patch.setattr(os, "replace", die)
        else:
            patch.setattr(Path, "unlink", lambda path, **_: path.suffix == ".parquet" and die())
        assert Fork(app, "pack", "--store", str(store.folder)).end()[0] == -signal.SIGKILL
    assert bool(packs(store)) == (moment == "unlink") and not load(store.folder).skipped
    pd.testing.assert_frame_equal(load(store.folder).frame, before)
    assert invoke("pack", "--store", str(store.folder)).exit_code == 0
    pd.testing.assert_frame_equal(load(store.folder).frame, before)
    assert len(list(store.folder.glob("*.parquet"))) == 2


def test_a_damaged_pack_is_named_its_runs_are_missing_and_it_is_not_overwritten(store, made):
    invoke("pack", "--store", str(store.folder))
    path = store.folder / "pack-other.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    damaged = path.read_bytes()
    assert set(load(store.folder).skipped) == {path.name} and len(store.keys()) == 2
    for one in made.folder.glob("*.parquet"):
        (store.folder / one.name).write_bytes(one.read_bytes())  # measured again
    invoke("pack", "--store", str(store.folder))
    assert path.read_bytes() == damaged
    assert packs(store) == {"pack-classic.parquet": 2, "pack-other-2.parquet": 4, "pack-other.parquet": 0}
    assert load(store.folder).frame["run"].nunique() == 6


def test_nobody_packs_while_another_measures(store):
    def hold(_):
        with Locks(store.folder):
            print("there", flush=True)
            time.sleep(60)

    holder = Fork(hold)
    holder.lines(1)
    outcome = invoke("pack", "--store", str(store.folder))
    holder.send(signal.SIGKILL)
    holder.end()
    assert outcome.exit_code == 2 and "another process" in outcome.stderr and not packs(store)


# --- the same run, the same bits


def test_verify_finds_the_same_bits(store):
    outcome = invoke("verify", "--store", str(store.folder))
    assert outcome.exit_code == 0 and "6 runs are the same bit for bit, 0 differ" in outcome.stderr
    outcome = invoke("verify", "--store", str(store.folder), "--count", "2")
    assert outcome.exit_code == 0 and "2 runs are the same" in outcome.stderr


def respoiled(store: Store, **columns) -> str:
    path = store.folder / f"{run_key(CASE, 0)}.parquet"
    table = pq.read_table(path)
    spoiled = [row | columns for row in table.to_pylist()]
    about = json.loads(table.schema.metadata[METADATA]) | {"constant": constant_columns(spoiled)}
    write_table(path, pa.Table.from_pylist(spoiled), about)
    return path.stem


@pytest.mark.parametrize("column", [{"iterate": "0" * 16}, {"value": 0.5}, {"hessians": 99}, {"status": "converged"}])
def test_a_difference_is_named_with_exit_1(store, column):
    key = respoiled(store, **column)
    outcome = invoke("verify", "--store", str(store.folder))
    assert outcome.exit_code == 1 and "1 differ" in outcome.stderr
    assert outcome.stdout.startswith(f"differs: {key} (newton on breast-cancer-l2, repeat 0): ")


def test_what_need_not_be_the_same_is_no_failure(store):
    respoiled(store, value=0.5, deterministic=False)
    outcome = invoke("verify", "--store", str(store.folder))
    assert outcome.exit_code == 0 and "differs, as its row says it may" in outcome.stdout


def test_runs_of_other_code_are_left_out_and_counted():
    outcome = invoke("verify", "--store", str(EXAMPLES))
    assert outcome.exit_code == 2 and "left out: 3 runs of other code" in outcome.stderr
    assert invoke("verify", "--count", "0").exit_code == 2


@pytest.mark.parametrize("case", [CASE, CLASSIC, replace(CASE, solver="auto"), replace(CASE, solver="newton-sampled")])
def test_a_case_is_rebuilt_from_its_description(case):
    again = rebuilt(json.loads(json.dumps(case.describe())))
    assert again is not None and again.describe() == case.describe()


@pytest.mark.parametrize("described", [None, {}, [], {"settings": 1}, CASE.describe() | {"stop": {"iterations": -1}}])
def test_a_description_that_makes_no_sense_is_no_case(described):
    assert rebuilt(described) is None


def test_of_a_run_that_the_clock_ended_what_both_have_is_compared():
    rows = evaluate(measure(CASE))
    longer = [row | {"status": "time limit"} for row in evaluate(measure(replace(CASE, stop=fixed(3))))]
    assert difference(rows, longer) == ""
    late = [row | {"status": "converged", "total_seconds": 2.0, "budget": 1.0} for row in longer]
    assert difference(rows, late) == "" and "it ended as" in difference(rows, [row | {"budget": 3.0} for row in late])
    longer[1]["value"] += 1e-15
    assert difference(rows, longer).startswith("value at iteration 1 was ")
