"""One problem over several processes, many problems at once, and one problem many times."""

from .linear import ShardedLinearModel
from .module import ShardedModule
from .sharded import ShardedObjective

__all__ = ["ShardedLinearModel", "ShardedModule", "ShardedObjective"]
