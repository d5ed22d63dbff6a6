"""The data folder: files are checked, absent ones downloaded as a whole or not at all, failures are sentences."""

from __future__ import annotations

import gzip
import hashlib
import pwd
from pathlib import Path

import pytest

from datasets import certificate
from datasets.loaders.libsvm import SOURCES
from datasets.loaders.storage import VARIABLE, DataError, DataFile, cache_folder, data_folder, locate, sha256
from datasets.two_view.views import FILES

pooch = pytest.importorskip("pooch")
requests = pytest.importorskip("requests")

CONTENT = b"1 1:0.5\n" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FILE = DataFile("libsvm/tiny", DIGEST, "https://example.org/tiny", "tiny")
NOT_FOUND = requests.Response()
NOT_FOUND.status_code = 404
PACKED = DataFile("libsvm/tiny", DIGEST, "https://example.org/tiny.gz", "tiny")


def answer(monkeypatch, *outcome: bytes | BaseException) -> list[str]:
    """The network: it sends these bytes and then, perhaps, fails. What was asked for."""
    asked = []

    class Downloader:
        def __call__(self, url, output, _):
            asked.append(url)
            for part in outcome:
                if isinstance(part, BaseException):
                    raise part
                output.write(part)

    monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
    return asked


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    return answer(monkeypatch, requests.exceptions.ConnectionError("HTTPSConnectionPool(host='example.org', port=443)"))


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def sentence(caught) -> str:
    """The message, which is one line, and hides the chain of causes."""
    error = caught.value
    assert error.__cause__ is None and (error.__context__ is None or error.__suppress_context__)
    assert "\n" not in str(error) and "HTTPSConnectionPool" not in str(error)
    return str(error)


def test_the_folder_is_the_one_given_or_the_variable_or_one_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "variable"))
    assert data_folder(tmp_path) == tmp_path and data_folder() == tmp_path / "variable"
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_folder() == tmp_path / "cache" / "hessbench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / ".cache" / "hessbench"


@pytest.fixture
def no_home(monkeypatch):
    """A user of whom no home folder is known, as in a container that runs under any number."""

    def unknown(_):
        raise KeyError

    for name in ("HOME", "XDG_CACHE_HOME", VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_no_home_folder_is_one_sentence_that_names_both_variables(no_home, monkeypatch, tmp_path):
    for ask in (data_folder, cache_folder, lambda: locate(FILE), lambda: data_folder("~/data")):
        with pytest.raises(DataError) as caught:
            ask()
        message = sentence(caught)
        assert VARIABLE in message and "XDG_CACHE_HOME" in message
    assert data_folder(tmp_path) == tmp_path
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert data_folder() == tmp_path


def test_a_certificate_is_computed_where_there_is_no_folder_for_caches(no_home):
    certificate.cache_clear()
    assert certificate("iris").minimiser is True


def test_a_file_that_is_there_is_used_without_a_network(tmp_path, no_network):
    path = tmp_path / FILE.path
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    assert locate(FILE, tmp_path) == path and sha256(path) == DIGEST
    assert no_network == []


@pytest.mark.parametrize(
    ("file", "sent"),
    [(FILE, CONTENT), (PACKED, gzip.compress(CONTENT, mtime=0)), (PACKED, CONTENT)],
    ids=["plain", "packed", "unpacked on the way"],
)
def test_a_missing_file_is_fetched_once_and_unpacked(monkeypatch, tmp_path, file, sent):
    """A server may have unpacked a .gz on the way."""
    asked = answer(monkeypatch, sent)
    assert locate(file, tmp_path).read_bytes() == CONTENT
    locate(file, tmp_path)
    assert asked == [file.url] and everything(tmp_path) == [file.path]


def test_no_network_and_no_file_is_one_sentence_with_path_expectation_and_command(tmp_path):
    with pytest.raises(DataError) as caught:
        locate(FILE, tmp_path)
    said = sentence(caught)
    for part in (
        str(tmp_path / FILE.path),
        "example.org",
        "no connection",
        DIGEST[:16],
        "datasets fetch tiny",
        VARIABLE,
    ):
        assert part in said
    assert everything(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "download", "remedy"),
    [
        (FILE, False, "python -m datasets fetch tiny"),
        (DataFile("libsvm/rare", DIGEST, None, "rare"), True, "copy it there"),
    ],
    ids=["no download", "no public address"],
)
def test_a_file_that_cannot_be_downloaded_is_named_with_the_remedy(tmp_path, no_network, file, download, remedy):
    with pytest.raises(DataError) as caught:
        locate(file, tmp_path, download=download)
    message = sentence(caught)
    assert "is not there" in message and remedy in message and no_network == []


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT[:-1] + b" "])
def test_a_wrong_file_never_loads_and_is_left_alone_until_it_is_to_be_replaced(monkeypatch, tmp_path, content):
    asked = answer(monkeypatch, CONTENT)
    path = tmp_path / FILE.path
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        locate(FILE, tmp_path)
    said = sentence(caught)
    assert "is not the published file" in said and DIGEST[:16] in said and str(path) in said
    assert asked == [] and path.read_bytes() == content
    assert locate(FILE, tmp_path, replace=True).read_bytes() == CONTENT and asked == [FILE.url]


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [
        ((CONTENT[:100], requests.exceptions.ConnectionError("broken off")), "no connection"),
        ((CONTENT[:100], requests.exceptions.ReadTimeout("slow")), "no answer in time"),
        ((requests.exceptions.SSLError("certificate verify failed"),), "certificate"),
        ((requests.exceptions.HTTPError("404 Client Error", response=NOT_FOUND),), "the server answered 404"),
        ((OSError(28, "No space left on device"),), "No space left on device"),
        ((b"<html>Please log in</html>",), "another checksum"),
        ((gzip.compress(CONTENT, mtime=0)[:50],), "the answer was damaged"),
        ((gzip.compress(CONTENT, mtime=0)[:12] + b"garbage",), "the answer was damaged"),
    ],
)
def test_a_download_that_fails_leaves_nothing(monkeypatch, tmp_path, outcome, cause):
    answer(monkeypatch, *outcome)
    with pytest.raises(DataError) as caught:
        locate(PACKED, tmp_path)
    assert cause in sentence(caught) and "datasets fetch tiny" in str(caught.value)
    assert everything(tmp_path) == []


def test_an_interrupted_download_leaves_nothing_half_written(monkeypatch, tmp_path):
    answer(monkeypatch, CONTENT[:100], KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        locate(FILE, tmp_path)
    assert everything(tmp_path) == []


def test_a_failed_replacement_keeps_the_old_file(monkeypatch, tmp_path):
    path = tmp_path / FILE.path
    path.parent.mkdir()
    path.write_bytes(b"old")
    with pytest.raises(DataError):
        locate(FILE, tmp_path, replace=True)
    assert path.read_bytes() == b"old" and everything(tmp_path) == [FILE.path]


def test_a_folder_that_cannot_be_used_is_one_sentence(monkeypatch, tmp_path):
    answer(monkeypatch, CONTENT)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        locate(FILE, tmp_path / "file")
    assert str(tmp_path / "file") in sentence(caught)
    (tmp_path / "libsvm" / "tiny").mkdir(parents=True)
    with pytest.raises(DataError) as caught:
        locate(FILE, tmp_path)
    assert "cannot be read" in sentence(caught)


def test_every_file_has_a_checksum_and_an_https_address_or_none():
    files = [*FILES, *(file for source in SOURCES.values() for file in source.files)]
    assert len({file.path for file in files}) == len(files) == 9
    for file in files:
        assert len(file.sha256) == 64 and int(file.sha256, 16)
        assert file.url is None or file.url.startswith("https://")
    assert {file.source for file in files} == {"mnist", *SOURCES}
