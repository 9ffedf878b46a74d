"""`harness new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.arguments import folder_names, new_kind_names
from harness.cli.output import remark, result

Kind = Annotated[
    str,
    typer.Argument(
        metavar="KIND",
        help="method, metric, model, sampler, dataset, extractor, executor, tracker or listener.",
        autocompletion=new_kind_names,
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What boards will write: lower case, words joined by hyphens.")]
Into = Annotated[
    Path,
    typer.Option("--into", metavar="FOLDER", help="Where the folder harness-NAME is made.", autocompletion=folder_names),
]


def new(kind: Kind, name: Name, into: Into = Path()) -> None:
    """Example: harness new method l2-sp

    Write a plugin of your own: an installable package with a working component, its settings, its tests and a README.
    Nothing is overwritten.
    """
    from harness.scaffold.names import checked_names
    from harness.scaffold.package import write

    names = checked_names(kind, name)
    folder = write(names, into)
    result(str(folder))
    remark(f"try it: cd {folder} && pip install -e '.[test]' && pytest && harness check {names.target}")
