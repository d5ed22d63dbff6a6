"""The options of commands that take own data. Importing them needs neither torch nor pandas."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="A file of your own: CSV, Parquet, NPZ (arrays X and y) or LIBSVM.",
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

# The defaults are those of OwnData.
DEFAULTS: dict[str, Any] = {
    "data": None,
    "target": None,
    "model": "logistic",
    "l2": 0.0,
    "intercept": True,
    "standardize": True,
    "test_size": 0.3,
    "drop": [],
}


def remembered(arguments: dict[str, Any]) -> str | None:
    """Take the options of own data out of the arguments of a verb, and make the problem known: its name, or None where
    there is no --data. What was done to its columns is written to stderr. Raises ValueError."""
    options = {name: arguments.pop(name) for name in DEFAULTS}
    path = options.pop("data")
    if path is None:
        if others := [name for name, value in options.items() if value != DEFAULTS[name]]:
            raise ValueError(f"--{others[0].replace('_', '-')} is about own data: name the file with --data")
        return None
    from .recipe import OwnData, remember

    own = OwnData(path, **options | {"drop": tuple(options["drop"])})
    name = remember(own)
    typer.echo(f"{name}: {own.summary}", err=True)
    for note in own.notes:
        typer.echo(f"note: {note}", err=True)
    return name
