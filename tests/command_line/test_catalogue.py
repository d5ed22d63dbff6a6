"""The stored list of names: the same as the registries, and read again when anything that it rests on changes."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from benchmarks.catalogue import cached
from benchmarks.catalogue.completion import names
from benchmarks.catalogue.contents import contents
from benchmarks.command.main import app
from benchmarks.runner.suites import SUITES
from datasets import CUTEST, PROBLEMS, TEST_FUNCTIONS
from datasets.folders import ROOT
from solvers import SOLVERS
from solvers.adapters import PEERS


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hessbench"


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Grows with every reading of the registries."""
    found: list[str] = []

    def read():
        found.append("read")
        return {"number": len(found)}

    monkeypatch.setattr(cached, "_read", read)
    return found


def test_it_holds_every_name_of_the_registries_with_a_summary():
    found = contents()
    assert [each["name"] for each in found["solvers"]] == list(SOLVERS)
    assert [each["name"] for each in found["peers"]] == list(PEERS)
    assert [each["name"] for each in found["suites"]] == list(SUITES)
    assert {each["name"] for each in found["problems"]} == set(PROBLEMS) - set(TEST_FUNCTIONS)
    assert {each["name"] for kind in ("functions", "cutest") for each in found[kind]} == set(TEST_FUNCTIONS)
    assert {each["name"]: each["variables"] for each in found["cutest"]} == {each.name: each.n for each in CUTEST}
    lists = [entries for entries in found.values() if isinstance(entries, list)]
    assert len(lists) == 6 and all(entry["summary"] for entries in lists for entry in entries)


def test_what_is_stored_is_what_the_registries_say():
    first, stored = cached.catalogue(), cached.catalogue()
    assert first == stored == contents()


def test_the_registries_are_read_once(reads, own_cache):
    assert cached.catalogue() == cached.catalogue() == {"number": 1}
    assert reads == ["read"] and len(list(own_cache.iterdir())) == 1


def test_a_changed_source_is_read_again(reads, tmp_path, monkeypatch):
    for package in cached.READ:
        (tmp_path / package / "inner").mkdir(parents=True)
    monkeypatch.setattr(cached, "ROOT", tmp_path)
    cached.catalogue()
    for number, package in enumerate(cached.READ, 2):
        source = tmp_path / package / "inner" / "new.py"
        for text in ("a = 1\n", "a = 2\n"):
            source.write_text(text)
            cached.catalogue()
            cached.catalogue()
        assert len(reads) == 2 * number - 1


def test_a_library_that_is_installed_updated_or_removed_is_seen(reads, tmp_path, monkeypatch):
    monkeypatch.setattr(cached.sys, "path", [*cached.sys.path, str(tmp_path)])
    cached.catalogue()
    (tmp_path / "peer-1.0.dist-info").mkdir()
    cached.catalogue()
    (tmp_path / "peer-1.0.dist-info").rename(tmp_path / "peer-1.1.dist-info")
    cached.catalogue()
    (tmp_path / "peer-1.1.dist-info").rmdir()
    assert cached.catalogue() == {"number": 4}


def test_with_installed_plug_ins_nothing_is_stored(reads, own_cache, monkeypatch):
    monkeypatch.setattr(cached, "entry_points", lambda group: ["one"] if group == "hessbench.peers" else [])
    cached.catalogue()
    assert cached.catalogue() == {"number": 2} and not own_cache.exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"key": 1}', "\xff"])
def test_a_damaged_file_is_replaced(reads, own_cache, damage):
    cached.catalogue()
    (file,) = own_cache.iterdir()
    file.write_bytes(damage.encode("latin-1"))
    assert cached.catalogue() == {"number": 2} == cached.catalogue()


def test_a_cache_that_cannot_be_written_is_no_error(reads, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    cached.catalogue()
    assert cached.catalogue() == {"number": 2}


def test_completions_are_names_with_what_they_are():
    found = dict(names("solvers")("newton-"))
    assert set(found) == {name for name in SOLVERS if name.startswith("newton-")} and all(found.values())
    assert {name for name, _ in names("problems", "functions", "cutest")("")} == set(PROBLEMS)


def test_the_list_as_json_is_one_value_whose_keys_are_documented():
    found = json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)
    assert found == contents()
    documented = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "command-line.md").read_text()))
    entries = [entry for value in found.values() if isinstance(value, list) for entry in value[:1]]
    assert set(found) | {key for entry in entries for key in entry} <= documented
