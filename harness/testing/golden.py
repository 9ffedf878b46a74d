"""Golden cases: stored outputs of reference implementations, and how they are compared with a plugin's outputs.

A golden folder has a `manifest.json` with `cases`. For each case it names the settings, the file of inputs and outputs
(`arrays_file`, an .npz; some manifests say `data`), mostly the file of weights (`weights_file`, a .safetensors; or `weights`),
and the `tolerance`. A kind of case is a predicate on cases and the comparison for those it takes. Tests register kinds with
`@kind`, so that a plugin adds its own without a change here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from harness.testing.expect import expect, expect_offers

Compare = Callable[["Case"], None]


@dataclass(frozen=True)
class Case:
    """An entry of a manifest.

    Args:
        folder: where the manifest and its files are.
        name: the entry's key.
        fields: the entry's content.
    """

    folder: Path
    name: str
    fields: Mapping[str, object]

    def __str__(self) -> str:
        return f"{self.folder.name}/{self.name}"

    @cached_property
    def arrays(self) -> dict[str, Tensor]:
        """All inputs and outputs by name; empty when the case names no file for them."""
        file = self.fields.get("arrays_file") or self.fields.get("data")
        if not isinstance(file, str):
            return {}
        with np.load(self.folder / file, allow_pickle=False) as stored:
            return {name: torch.from_numpy(stored[name]) for name in stored.files}

    def weights(self, prefix: str = "") -> dict[str, Tensor]:
        """Return the stored state dict in float32; only tensors whose names begin with `prefix`, which is cut off."""
        stored = load_file(self.folder / str(self.fields.get("weights_file") or self.fields.get("weights")))
        return {name.removeprefix(prefix): value.float() for name, value in stored.items() if name.startswith(prefix)}

    @cached_property
    def config(self) -> dict[str, object]:
        """The entry's `config`; empty when it has none."""
        return dict(expect_offers(self.fields.get("config") or {}, Mapping, f"{self}: config"))

    def sibling(self, name: str) -> Case:
        """Return the case of the same manifest that this case names in its field `name`."""
        entries = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))["cases"]
        other = str(self.fields[name])
        return Case(self.folder, other, entries[other])

    def tolerance(self, array: str) -> dict[str, float]:
        """Return the `rtol` and `atol` that an array must agree with.

        Whole numbers and truth values must be equal. Other arrays take the first that is given: their own text in
        `tolerance` ("rtol 1e-3"); the case's numbers, in `float` inside `tolerance` or in `tolerance` itself; 1e-4.
        """
        if array in self.arrays and not self.arrays[array].is_floating_point():
            return {"rtol": 0.0, "atol": 0.0}
        stated = expect_offers(self.fields.get("tolerance", {}), Mapping, f"{self}: tolerance")
        if isinstance(stated.get("float"), Mapping):
            stated = {**stated, **stated["float"]}
        own: dict[str, str] = dict(re.findall(r"([ra]tol)\s+([0-9.eE+-]+)", str(stated.get(array, ""))))
        return {bound: float(own[bound] if bound in own else stated.get(bound, 1e-4)) for bound in ("rtol", "atol")}

    def compare(self, array: str, actual: Tensor, *, rtol: float | None = None, atol: float | None = None) -> None:
        """Compare an array. Raises: AssertionError when it differs from the stored one by more than its tolerance (or these)."""
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
        """Check that a comparison leaves out no array. Raises: AssertionError when the case has any beside the checked ones."""
        left = sorted(set(self.arrays) - set(checked))
        expect(not left, f"{self}: the comparison does not know the arrays {', '.join(left)}")


@dataclass(frozen=True)
class Kind:
    """A kind of case.

    Args:
        name: name of the comparison.
        takes: whether a case is of this kind.
        compare: the comparison, which raises AssertionError.
    """

    name: str
    takes: Callable[[Case], bool]
    compare: Compare


KINDS: dict[str, Kind] = {}


def kind(takes: Callable[[Case], bool]) -> Callable[[Compare], Compare]:
    """Register a comparison for the cases that `takes` accepts, by their content and not by their name."""

    def register(compare: Compare) -> Compare:
        KINDS[compare.__name__] = Kind(compare.__name__, takes, compare)
        return compare

    return register


def cases(root: Path) -> list[Case]:
    """Return every case of every manifest under a folder, in the order of paths and names."""
    result = []
    for manifest in sorted(root.rglob("manifest.json")):
        entries = json.loads(manifest.read_text(encoding="utf-8"))["cases"]
        result += [Case(manifest.parent, name, fields) for name, fields in sorted(entries.items())]
    return result


def compare(case: Case) -> None:
    """Compare a case by the kind that takes it. Raises: AssertionError also when no kind takes it, or several do."""
    takers = [kind for kind in KINDS.values() if kind.takes(case)]
    known, fields = ", ".join(sorted(KINDS)) or "none", ", ".join(sorted(case.fields))
    expect(takers, f"{case} is of no known kind, so nothing was compared; kinds: {known}; the case's fields: {fields}")
    expect(len(takers) == 1, f"{case} is of several kinds: {', '.join(taker.name for taker in takers)}")
    takers[0].compare(case)
