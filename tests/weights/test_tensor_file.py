"""Names and shapes come from a file's header alone, and are compared with what the settings need."""

import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.errors import UserError
from harness.weights.tensor_file import check_shapes, shapes

WHERE = "tokenizer t.safetensors"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "t.safetensors"
    save_file({"a": np.zeros((2, 3), np.float32), "b": np.zeros(4, np.int64), "scalar": np.zeros(())}, path)
    return path


def test_every_tensor_has_its_shape(path):
    assert shapes(path, where=WHERE) == {"a": (2, 3), "b": (4,), "scalar": ()}


def test_types_that_numpy_does_not_know_are_no_obstacle(tmp_path):
    import torch
    from safetensors.torch import save_file

    save_file({"half": torch.zeros(2, 5, dtype=torch.bfloat16)}, tmp_path / "b.safetensors")
    assert shapes(tmp_path / "b.safetensors", where=WHERE) == {"half": (2, 5)}


@pytest.mark.parametrize("make", [lambda _: None, lambda path: path.mkdir(), lambda path: path.write_bytes(b"no weights")])
def test_a_file_that_is_absent_or_another_is_named(tmp_path, make):
    path = tmp_path / "other"
    make(path)
    with pytest.raises(UserError, match=f"^{WHERE} cannot be read: "):
        shapes(path, where=WHERE)


def test_a_file_that_fits_may_have_more_tensors(path):
    check_shapes(shapes(path, where=WHERE), {"a": (2, 3), "scalar": ()}, where=WHERE)


def test_a_missing_tensor_is_named():
    with pytest.raises(UserError) as caught:
        check_shapes({"a": (2,)}, {"a": (2,), "c": (1,), "d": (1,)}, where=WHERE)
    assert str(caught.value) == f"{WHERE} has no tensor 'c': it is of another kind of tokenizer or network"


def test_a_tensor_of_another_shape_is_named_with_both_shapes():
    with pytest.raises(UserError) as caught:
        check_shapes({"a": (2, 3)}, {"a": (3, 2)}, where=WHERE)
    assert str(caught.value) == f"{WHERE} does not belong to these settings: a is (2, 3), but they need (3, 2)"


def test_reading_shapes_imports_no_torch(path):
    code = (
        f"import sys, pathlib; from harness.weights.tensor_file import shapes; shapes(pathlib.Path({str(path)!r}), where='')\n"
        "assert 'torch' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
