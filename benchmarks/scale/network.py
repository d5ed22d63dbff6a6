"""Two network namespaces of Linux, joined by a cable of given bandwidth and delay: a stand-in for two machines."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

FORM = re.compile(r"(\d+(?:\.\d+)?[kmg]bit)(?::(\d+(?:\.\d+)?(?:us|ms|s)))?")
INTERFACE = "hessbench0"  # in each namespace
PREFIX = "hessbench-"  # of the names of namespaces; the process that made one follows
BURST = "72kb"  # that passes at once: below 64 KB, the largest segment, 1gbit let a third of its bandwidth through
QUEUE = "16mb"
_numbers = itertools.count()


class NoNetworkError(RuntimeError):
    """One sentence: why there is no such network here."""


def check(network: str) -> str:
    """The same name of a network; ValueError where it is none."""
    if not FORM.fullmatch(network):
        raise ValueError(f"a network is a bandwidth, with or without a delay: 1gbit or 1gbit:1ms, found {network!r}")
    return network


@contextmanager
def namespaces(network: str) -> Iterator[tuple[str, str]]:
    """The names of two namespaces, which are removed in the end. NoNetworkError where they cannot be made.

    network: what each direction lets through and how long it takes, as `1gbit` or `1gbit:1ms`: a round trip takes twice
    the delay.
    """
    if os.geteuid() != 0:
        raise NoNetworkError("only root may make network namespaces")
    if missing := [program for program in ("ip", "tc") if shutil.which(program) is None]:
        raise NoNetworkError(f"there is no program {missing[0]!r} here (Debian's package iproute2)")
    rate, delay = FORM.fullmatch(check(network)).groups()
    _remove(name for name in _names() if not _alive(name))
    number = next(_numbers)
    pair = tuple(f"{PREFIX}{os.getpid()}-{number}-{end}" for end in "ab")
    try:
        for name in pair:
            _run("ip", "netns", "add", name)
        ends = [("name", INTERFACE, "netns", name) for name in pair]
        _run("ip", "link", "add", *ends[0], "type", "veth", "peer", *ends[1])
        for host, name in enumerate(pair, 1):
            _run("ip", "-n", name, "address", "add", f"10.77.0.{host}/30", "dev", INTERFACE)
            for interface in ("lo", INTERFACE):
                _run("ip", "-n", name, "link", "set", interface, "up")
            shape = ("netem", "rate", rate, "delay", delay, "limit", "100000") if delay else (
                "tbf", "rate", rate, "burst", BURST, "limit", QUEUE
            )  # fmt: skip
            _run("tc", "-n", name, "qdisc", "add", "dev", INTERFACE, "root", *shape)
        yield pair
    finally:
        _remove(pair)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return
    said = next(iter(done.stderr.strip().splitlines()), f"exit status {done.returncode}")
    if "netem" in command and "unknown" in said:
        raise NoNetworkError("this kernel has no netem, which delays packets: name a bandwidth alone, such as 1gbit")
    raise NoNetworkError(f"`{' '.join(command)}` failed: {said}")


def _names() -> list[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout.splitlines()
    return [line.split()[0] for line in listed if line.startswith(PREFIX)]


def _alive(name: str) -> bool:
    """Whether the process that made a namespace still runs."""
    return os.path.exists(f"/proc/{name.split('-')[1]}")


def _remove(names: Iterable[str]) -> None:
    for name in names:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True)
