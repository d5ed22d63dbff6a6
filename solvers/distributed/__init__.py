"""One problem over several processes, each with its own rows; and rows that are on a disk."""

from .linear import ShardedLinearModel
from .module import ShardedModule
from .sharded import ShardedObjective
from .stream import RowStream

__all__ = ["RowStream", "ShardedLinearModel", "ShardedModule", "ShardedObjective"]
