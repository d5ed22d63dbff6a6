"""One problem over several processes, each with its own rows."""

from .linear import ShardedLinearModel
from .module import ShardedModule
from .sharded import ShardedObjective

__all__ = ["ShardedLinearModel", "ShardedModule", "ShardedObjective"]
