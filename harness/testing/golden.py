"""Golden outputs of reference implementations, and the kinds of cases that can be compared with them.

A golden folder has a `manifest.json` with `cases`: for each name its settings, the `arrays_file` (.npz; some manifests
say `data`), mostly a `weights_file` (.safetensors; or `weights`), and the `tolerance`. A kind is a predicate on a case
and the comparison for it; tests register kinds with `@kind`, so that a plugin adds its own without a change here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from harness.testing.expect import expect

Compare = Callable[["Case"], None]


@dataclass(frozen=True)
class Case:
    """One entry of a manifest.

    Args:
        folder: where the manifest and its files are.
        name: the entry's key.
        fields: the entry as it stands in the manifest.
    """

    folder: Path
    name: str
    fields: Mapping[str, object]

    def __str__(self) -> str:
        return f"{self.folder.name}/{self.name}"

    @cached_property
    def arrays(self) -> dict[str, Tensor]:
        """All inputs and outputs by name; empty when the case names no file of them."""
        file = self.fields.get("arrays_file") or self.fields.get("data")
        if not isinstance(file, str):
            return {}
        with np.load(self.folder / file, allow_pickle=False) as stored:
            return {name: torch.from_numpy(stored[name]) for name in stored.files}

    def weights(self, prefix: str = "") -> dict[str, Tensor]:
        """The state dict, float32, of the names that begin with `prefix`, without it."""
        stored = load_file(self.folder / str(self.fields.get("weights_file") or self.fields.get("weights")))
        return {name.removeprefix(prefix): value.float() for name, value in stored.items() if name.startswith(prefix)}

    @cached_property
    def config(self) -> dict[str, Any]:
        """The entry's `config`; empty when it has none."""
        config = self.fields.get("config") or {}
        assert isinstance(config, Mapping), "config is a table"
        return dict(config)

    def sibling(self, name: str) -> Case:
        """The case that the field `name` of this one names, in the same manifest."""
        entries = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))["cases"]
        other = str(self.fields[name])
        return Case(self.folder, other, entries[other])

    def tolerance(self, array: str) -> dict[str, float]:
        """`rtol` and `atol` for an array.

        Whole numbers and truth values are exact. Otherwise an array's own words ("rtol 1e-3") come before the case's
        numbers, which stand in `tolerance` itself or in its `float`, and those before 1e-4.
        """
        if array in self.arrays and not self.arrays[array].is_floating_point():
            return {"rtol": 0.0, "atol": 0.0}
        stated = self.fields.get("tolerance", {})
        assert isinstance(stated, Mapping), "tolerance is a table"
        if isinstance(stated.get("float"), Mapping):
            stated = {**stated, **stated["float"]}
        own: dict[str, str] = dict(re.findall(r"([ra]tol)\s+([0-9.eE+-]+)", str(stated.get(array, ""))))
        return {bound: float(own[bound] if bound in own else stated.get(bound, 1e-4)) for bound in ("rtol", "atol")}

    def compare(self, array: str, actual: Tensor, *, rtol: float | None = None, atol: float | None = None) -> None:
        """Raises: AssertionError when `actual` differs from the stored array by more than its tolerance (or these)."""
        bounds = self.tolerance(array)
        bounds = {"rtol": bounds["rtol"] if rtol is None else rtol, "atol": bounds["atol"] if atol is None else atol}
        torch.testing.assert_close(
            actual.detach(),
            self.arrays[array],
            rtol=bounds["rtol"],
            atol=bounds["atol"],
            msg=lambda text: f"{self}, {array}: {text}",
        )

    def unchecked(self, *checked: str) -> None:
        """Raises: AssertionError when the case has arrays beside these: a comparison must not pass over any."""
        left = sorted(set(self.arrays) - set(checked))
        expect(not left, f"{self}: the comparison does not know the arrays {', '.join(left)}")


@dataclass(frozen=True)
class Kind:
    """A kind of case: which ones it takes, and how they are compared."""

    name: str
    takes: Callable[[Case], bool]
    compare: Compare


KINDS: dict[str, Kind] = {}


def kind(takes: Callable[[Case], bool]) -> Callable[[Compare], Compare]:
    """Register a comparison for the cases that `takes` says yes to. It goes by a case's content, not by its name."""

    def register(compare: Compare) -> Compare:
        KINDS[compare.__name__] = Kind(compare.__name__, takes, compare)
        return compare

    return register


def cases(root: Path) -> list[Case]:
    """Every case of every manifest under a folder, in order of path and name."""
    found = []
    for manifest in sorted(root.rglob("manifest.json")):
        entries = json.loads(manifest.read_text(encoding="utf-8"))["cases"]
        found += [Case(manifest.parent, name, fields) for name, fields in sorted(entries.items())]
    return found


def compare(case: Case) -> None:
    """Compare a case by the one kind that takes it. Raises: AssertionError also when no kind does, or several do."""
    takers = [kind for kind in KINDS.values() if kind.takes(case)]
    known, fields = ", ".join(sorted(KINDS)) or "none", ", ".join(sorted(case.fields))
    expect(takers, f"{case} is of no known kind, so nothing was compared; kinds: {known}; the case's fields: {fields}")
    expect(len(takers) == 1, f"{case} is of several kinds: {', '.join(taker.name for taker in takers)}")
    takers[0].compare(case)
