"""What asv asks about a machine that it has never seen: its own defaults, as `asv machine --yes` answers.

Named under `plugins` in asv.conf.json, so that asv imports it before a command; without it asv would ask at a terminal,
and refuse elsewhere. `asv machine` changes the answers, which are in ~/.asv-machine.json.
"""

from __future__ import annotations

from asv.machine import Machine, MachineCollection
from asv.util import UserError


def setup() -> None:
    """asv calls it."""
    name = Machine.get_unique_machine_name()
    try:
        MachineCollection.load(name)
    except UserError:
        MachineCollection.save(name, Machine.get_defaults() | {"machine": name})
