"""`python -m harness.board.schema_docs`: writes docs/boards.md from the docstrings and descriptions of the board's settings."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from harness.board.filters import KEYS
from harness.board.schema import BoardConfig, ComponentEntry

WIDTH = 120
"""Characters in a line of prose."""

_INTRODUCTION = f"""\
# Boards

A board is a folder with a `board.yaml`. `harness validate FOLDER` checks the whole file before anything runs, and
names file and line of each fault. An unknown key is a fault. This page is made from the schema by
`python -m harness.board.schema_docs`.

A **component** is written by its name, or as a mapping with its settings beside the name: `ddo`, or
`{{name: ddo, beta: 1.0}}`. `harness list` names what is installed, and `harness show ddo` shows the settings of `ddo`.

A **path** begins at the board's folder, wherever the command runs: that of a file of weights, and that in the settings
of a component.

A **filter** is the same here and in `harness run --only`. `method=ddo,sft-*` keeps the cells whose method is one of
these; `base!=edm` keeps the cells of all other bases. Terms are joined by commas, and a cell must pass all of them.
`method=ddo` means all points of a [grid](#grids) `ddo`, and `method=ddo[beta=0.1]` those with this beta.
The keys are {", ".join(f"`{key}`" for key in KEYS[:-1])} and `{KEYS[-1]}`, the number of samples. Values may hold `*`
and `?`.

**Names** of bases, methods, samplers and metrics are lower case letters and digits, joined by single `-`, `_` or `.`;
they have at most 60 characters.
"""


_GRIDS = """\
## Grids

An entry of `methods` may give a setting several values. It is then a row for each value, and for each combination
where several settings have grids:

```yaml
methods:
  ddo:
    label: DDO
    method: {name: ddo, alpha: {grid: [1, 4]}, beta: {grid: [0.1, 1, 10]}, optimizer: {lr: 1.0e-4}}
    training: {images: {grid: [64000, 128000]}}
```

makes twelve methods, `ddo[alpha=1,beta=0.1,images=64000]` (*DDO, alpha 1, beta 0.1, images 64000*) and so on. A grid
may stand at any depth of the method's settings or of `training`; its values are numbers, `true`, `false`, or plain
words. Points that differ in nothing but a setting without effect, such as `optimizer.lr` beside `rate`, are refused.
A parameter is called by its last key, and by its whole path (`critic.lr`) where two grids of the entry have the same
last key, or where it is the number of a round (`beta.2`). `only` and `note` hold for all points, and a `control` that
names the entry means all of them. `only: "method=ddo[beta=1],ddo[alpha=1,beta=10]"` keeps some of the points, as does
`method!=ddo[beta=0.1]`. A row of a grid has the key of the same row written by hand: where a board's rows become a
grid, a run writes their records under the new names in seconds, without training.

The page has a plot of each grid, a curve over one parameter or a heat map over two. The best of many points flatters
itself: measure the chosen point on seeds, and a base, that the grid has not seen. Under the table the page names, by
the first column that ranks, each grid on a base whose best point lies at an edge, as every point of two values does
(**widen the grid**, since the best may lie outside), points that tie for the best, and grids without a point that is
better than the base.
"""


_CLAIMS = """\
## Claims in findings

A sentence that compares needs a test behind it. In `findings` write the comparison in double braces, and the page
fills in the numbers and checks them:

```yaml
findings: |
  - DDO is better than continued training ({{better edm/ddo than edm/mle in fid[digits-cnn]}}), and Neon cannot be told
    from it ({{no-difference edm/neon to edm/mle in fid[digits-cnn]}}).
```

becomes "DDO is better than continued training (−4.4 [−5.9, −2.9], adjusted p = 0.002), and …": the mean difference over
the seeds that both rows have, its 95 % interval, and p ([protocol](protocol.md#tests)). A claim names rows as
`base/method`, or `base/method/n500` on a board of several numbers of samples, and one or more columns. The words
`than`, `from`, `to`, `and` and `in` are there for readers.

| claim | the page shows | the records must say |
|---|---|---|
| `{{value ROW in COLUMN}}` | mean ± standard deviation | – |
| `{{difference ROW to ROW in COLUMN}}` | first row less second, interval, p | – |
| `{{better ROW than ROW in COLUMN}}` | the same | the first row is better by the test |
| `{{no-difference ROW to ROW in COLUMN}}` | the same | the test tells no difference |
| `{{at-floor ROW in COLUMN}}` | row less floor, interval, p of † | the row has † |
| `{{off-floor ROW in COLUMN}}` | the same | the row is worse than real data by the test |

Findings are written by people who have seen the table, so a claim must hold against all that they might have picked. A
claim that says `better` or `off-floor` is therefore tested against everything that a claim of its board can name: each
two rows of one number of samples, and each row and the floor, in each column that ranks. Its p is adjusted for all of
these by Holm's method, and a row that is not measured yet counts as if it differed from nothing. The page prints the
adjusted p and the number of comparisons. On boards where nothing differs, one such claim or more is borne out on 5 % of
them at most, whichever was picked. All intervals, and p of `difference`, `no-difference` and `at-floor`, are of one
comparison by itself, and the page says so. A board of many rows and few seeds can bear out little: with 10 rows, 3
columns and 3 seeds the first claim needs p < 0.0003 by itself, a mean difference of 33 standard deviations of the
difference of two cells; with nine seeds, of two. State other results as a `difference`, with its interval.

A claim that the records do not bear out is shown as such on the page, and `harness render` names it with its line, the
difference and p, and exits 1. A claim on rows that lack seeds reads "[not measured yet]". One on a row that cannot run
says why: "[skipped: edm-mlp lacks Transitions, which sft-pg needs]". A claim also says so where no test can be made,
since seeds diverged or the floor has fewer than four pairs; a value says how many of its seeds are done.
Faults of the board are rows and columns that it does not have, a claim on rows of different numbers of samples or on a
row and itself, and a test in a column with `ranks: false`. So are `{{` and `}}` that belong to no claim: write a space
between two braces that mean something else.
"""


def page() -> str:
    """Return the text of docs/boards.md."""
    places: dict[type[BaseModel], list[str]] = {}
    for model, place in _settings_classes(BoardConfig, ""):
        places.setdefault(model, []).append(place or "board.yaml")
    return "\n".join([_INTRODUCTION, *(_section(model, names) for model, names in places.items()), _GRIDS, _CLAIMS])


def _settings_classes(model: type[BaseModel], place: str) -> Iterator[tuple[type[BaseModel], str]]:
    """Yield a settings class and all classes inside it, outer ones first, each with the keys that lead to it."""
    yield model, place
    for name, field in model.model_fields.items():
        for inner in _models_in(field.annotation):
            keys = [place, name, "NAME" if get_origin(field.annotation) is dict else ""]
            yield from _settings_classes(inner, ".".join(key for key in keys if key))


def _section(model: type[BaseModel], places: list[str]) -> str:
    """Return a heading, the docstring of a settings class, and a table of its keys."""
    heading = ", ".join(f"`{place}`" for place in places)
    summary = textwrap.fill(" ".join((model.__doc__ or "").split()), WIDTH, break_long_words=False, break_on_hyphens=False)
    rows = [_row(name, field) for name, field in model.model_fields.items()]
    return "\n".join([f"## {heading}", "", summary, "", "| key | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def _row(name: str, field: FieldInfo) -> str:
    cells = (f"`{name}`", type_name(field.annotation) + _bounds(field.metadata), _default(field), field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _models_in(annotation: object) -> list[type[BaseModel]]:
    """Return the settings classes in an annotation. Components are left out: the introduction explains them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [] if annotation is ComponentEntry else [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


_PLAIN_TYPES: dict[object, str] = {int: "whole number", float: "number", str: "text", bool: "true or false"}


def type_name(annotation: object) -> str:
    """Return what the page calls the type of a field, with the limits of a number."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(arguments[0]) + _bounds(arguments[1:])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(type_name(argument) for argument in arguments if argument is not NoneType)
    if origin in (list, tuple):
        return f"list of {_plural(type_name(arguments[0]))}"
    if origin is dict:
        return "mapping" if arguments[1] is object else f"name → {type_name(arguments[1])}"
    if annotation is ComponentEntry:
        return "component"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping, below"
    return _PLAIN_TYPES[annotation]


def _plural(type_text: str) -> str:
    return re.sub("(number|text|mapping)", r"\1s", type_text)


_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def _bounds(rules: Iterable[object]) -> str:
    """Return the limits among the rules of a number: ` ≥ 0 and ≤ 10`; nothing where there is none."""
    bounds = [f"{sign} {getattr(rule, name):,}" for rule in _plain(rules) for name, sign in _SIGNS.items() if hasattr(rule, name)]
    return f" {' and '.join(bounds)}" if bounds else ""


def _plain(rules: Iterable[object]) -> Iterator[object]:
    """Yield the rules of an annotation, those of a `Field` inside it one by one."""
    for rule in rules:
        if isinstance(rule, FieldInfo):
            yield from rule.metadata
        else:
            yield rule


def _default(field: FieldInfo) -> str:
    """Return the default as YAML writes it; a dash where an absent key means that there is nothing."""
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, BaseModel):
        return "as below"
    if value in (None, "", {}, []):
        return "–"
    if isinstance(value, list | tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{json.dumps(value) if isinstance(value, bool) else value}`"


def main() -> None:
    """Write docs/boards.md under the folder that the command line names, by default the working directory."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    (folder / "docs" / "boards.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
