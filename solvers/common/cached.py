"""What is computed once and stored on the object: properties, and functions of a point."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any


class cached:  # noqa: N801, a decorator
    """Stores what a property, or a function of one object, returns in the `__dict__` of the object.

    In a class it is `functools.cached_property` without its lock, under the name of the property. In a module it stores
    f(object) under `_f`; further arguments of f matter in the first call alone.
    """

    def __new__(cls, function: Callable[..., Any]) -> Any:
        return super().__new__(cls) if "." in function.__qualname__ else cached_function(function)

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.function(instance)
        return value


def cached_function(function: Callable[..., Any]) -> Callable[..., Any]:
    name = f"_{function.__name__}"

    @wraps(function)
    def stored(instance: Any, *others: Any) -> Any:
        known = instance.__dict__
        if name not in known:
            known[name] = function(instance, *others)
        return known[name]

    return stored
