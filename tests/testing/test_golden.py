"""Golden cases are read as their manifests say, and no comparison passes over a case or an array."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness.testing import golden
from harness.testing.golden import Case


@pytest.fixture
def folder(tmp_path):
    """A folder with two cases: `plain`, and `half`, whose weights are stored in half precision."""
    np.savez(tmp_path / "plain.npz", out=np.array([1, 2], np.float32), index=np.array([3, 4]))
    save_file({"net.w": torch.tensor([0.5]).half(), "ema.w": torch.tensor([0.25]).half()}, tmp_path / "half.safetensors")
    entries = {
        "plain": {"arrays_file": "plain.npz", "config": {"steps": 4}, "tolerance": {"out": "rtol 1e-3", "atol": 0.01}},
        "half": {"weights": "half.safetensors", "base": "plain", "tolerance": {"float": {"rtol": 0.5}}},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"cases": entries}))
    return tmp_path


@pytest.fixture
def case(folder):
    return {case.name: case for case in golden.cases(folder)}


@pytest.fixture
def kinds(monkeypatch):
    """No kinds of cases but those that a test registers."""
    monkeypatch.setattr(golden, "KINDS", {})


def test_cases_come_in_order_of_folder_and_name(folder):
    (folder / "below").mkdir()
    (folder / "below" / "manifest.json").write_text(json.dumps({"cases": {"a": {}}}))
    assert [(found.folder.name, found.name) for found in golden.cases(folder)] == [
        ("below", "a"), (folder.name, "half"), (folder.name, "plain"),
    ]  # fmt: skip


def test_arrays_settings_and_siblings_are_those_of_the_manifest(case, folder):
    assert str(case["plain"]) == f"{folder.name}/plain"
    assert case["plain"].arrays["out"].tolist() == [1.0, 2.0]
    assert case["plain"].config == {"steps": 4}
    assert case["half"].arrays == {}
    assert case["half"].config == {}
    assert case["half"].sibling("base") == case["plain"]


def test_weights_are_float32_and_chosen_by_their_prefix(case):
    assert case["half"].weights().keys() == {"net.w", "ema.w"}
    weights = case["half"].weights("net.")
    assert weights.keys() == {"w"}
    assert weights["w"].dtype == torch.float32


def test_a_tolerance_is_the_arrays_then_the_cases_then_the_usual(case):
    assert case["plain"].tolerance("out") == {"rtol": 1e-3, "atol": 0.01}
    assert case["plain"].tolerance("index") == {"rtol": 0.0, "atol": 0.0}  # whole numbers
    assert case["half"].tolerance("anything") == {"rtol": 0.5, "atol": 1e-4}


def test_an_array_agrees_within_its_tolerance_or_a_given_one(case):
    plain = case["plain"]
    plain.compare("out", torch.tensor([1.005, 2.0]))
    plain.compare("out", torch.tensor([1.5, 2.5]), rtol=0.5, atol=0)
    with pytest.raises(AssertionError, match="plain, out: "):
        plain.compare("out", torch.tensor([1.02, 2.0]))
    with pytest.raises(AssertionError, match="plain, index: "):
        plain.compare("index", torch.tensor([3, 5]))


def test_arrays_that_no_comparison_knows_are_named(case, failure):
    case["plain"].unchecked("out", "index", "further")
    assert failure(case["plain"].unchecked, "out").endswith("/plain: the comparison does not know the arrays index")


@pytest.mark.parametrize(("fields", "read"), [
    ({"config": [1]}, lambda case: case.config), ({"tolerance": "1e-3"}, lambda case: case.tolerance("out")),
])  # fmt: skip
def test_a_manifest_of_another_form_is_an_error_that_names_the_case(tmp_path, fields, read):
    with pytest.raises(AssertionError, match=r"/odd: (config|tolerance) is a (list|str); it must be a"):
        read(Case(tmp_path, "odd", fields))


@pytest.mark.usefixtures("kinds")
def test_a_case_is_compared_by_the_kind_that_takes_it(case):
    compared = []
    golden.kind(lambda found: "arrays_file" in found.fields)(lambda found: compared.append(found.name))
    golden.compare(case["plain"])
    assert compared == ["plain"]


@pytest.mark.usefixtures("kinds")
def test_a_case_of_no_kind_or_of_several_is_not_passed_over(case, failure):
    def arrays(found): ...
    def everything(found): ...

    golden.kind(lambda found: "arrays_file" in found.fields)(arrays)
    message = failure(golden.compare, case["half"])
    assert message.endswith(
        "/half is of no known kind, so nothing was compared; kinds: arrays; the case's fields: base, tolerance, weights"
    )
    golden.kind(lambda _: True)(everything)
    assert failure(golden.compare, case["plain"]).endswith("/plain is of several kinds: arrays, everything")
