"""The options of commands that take own data. Importing them needs neither torch nor pandas."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

import typer

Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="A file of your own: CSV, Parquet, NPZ (arrays X and y) or LIBSVM; or a folder of `data convert`.",
        metavar="FILE",
    ),
]
Target = Annotated[str | None, typer.Option("--target", help="The column of --data to predict.", metavar="COLUMN")]
Model = Annotated[str, typer.Option("--model", help="logistic, softmax or residual-mlp.")]
L2 = Annotated[
    float, typer.Option("--l2", help="Penalty l2/2 ||w||^2 added to the mean loss; scikit-learn's C is 1/(n l2).")
]
Intercept = Annotated[bool, typer.Option("--intercept/--no-intercept", help="An intercept, which has no penalty.")]
Standardize = Annotated[
    bool,
    typer.Option("--standardize/--no-standardize", help="Columns of quantities to mean 0 and standard deviation 1."),
]
TestSize = Annotated[float, typer.Option("--test-size", help="Share of the rows that are held out; 0 for none.")]
Drop = Annotated[
    list[str], typer.Option("--drop", help="Leave this column of --data out; may be repeated.", metavar="COLUMN")
]

# name -> what typer reads, and the default, which is that of OwnData
OPTIONS: dict[str, tuple[Any, Any]] = {
    "data": (Data, None),
    "target": (Target, None),
    "model": (Model, "logistic"),
    "l2": (L2, 0.0),
    "intercept": (Intercept, True),
    "standardize": (Standardize, True),
    "test_size": (TestSize, 0.3),
    "drop": (Drop, []),
}
Verb = Callable[..., Any]


def takes_own_data(verb: Verb) -> Verb:
    """A verb that has these options too, behind its own; it is given them as a dict, `own`."""

    @wraps(verb)
    def run(**arguments: Any) -> Any:
        own = {name: arguments.pop(name) for name in OPTIONS}
        return verb(**arguments, own=own)

    known = signature(verb, eval_str=True)  # not as the text that `from __future__ import annotations` leaves
    others = [parameter for name, parameter in known.parameters.items() if name != "own"]
    added = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in OPTIONS.items()
    ]
    run.__signature__ = known.replace(parameters=[*others, *added])
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*others, *added)}
    return run


def remembered(options: dict[str, Any]) -> str | None:
    """Make the problem of these options known: its name, or None where there is no --data. What was done to its columns
    is written to stderr. Raises ValueError."""
    options = dict(options)
    path = options.pop("data")
    if path is None:
        if others := [name for name, value in options.items() if value != OPTIONS[name][1]]:
            raise ValueError(f"--{others[0].replace('_', '-')} is about own data: name the file with --data")
        return None
    from .recipe import own_data, remember

    own = own_data(path, **options | {"drop": tuple(options["drop"])})
    name = remember(own)
    typer.echo(f"{name}: {own.summary}", err=True)
    for note in own.notes:
        typer.echo(f"note: {note}", err=True)
    return name
