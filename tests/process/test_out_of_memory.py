"""Running out of memory is one message that names the setting to lower, whichever allocator it was."""

import pytest
import torch

from harness.errors import UserError
from harness.process.out_of_memory import NOTHING_TO_LOWER, advice, out_of_memory_advice


@pytest.mark.parametrize(
    "error",
    [RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8"),
     torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate"), MemoryError("Unable to allocate")],
)  # fmt: skip
def test_out_of_memory_names_the_setting_to_lower(error):
    with (
        pytest.raises(UserError, match=r"out of memory: lower training: micro_batch"),
        out_of_memory_advice("lower training: micro_batch"),
    ):
        raise error


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shapes"), out_of_memory_advice("lower it"):
        raise RuntimeError("shapes do not fit")


def test_the_advice_says_what_was_tried_and_what_takes_half():
    text = advice("evaluation: batch", 500, "sample", now="1000", note=", which is slower")
    assert text == "500 samples at once were tried: lower `evaluation: batch` (now 1000; 250 takes about half), which is slower"
    assert advice("evaluation: batch", 1, "sample") == NOTHING_TO_LOWER.format(what="sample")  # nothing is below one


@pytest.mark.parametrize("text", ["CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "CUDNN_STATUS_ALLOC_FAILED"])
def test_libraries_of_cards_run_out_of_memory_in_words_of_their_own(text):
    with pytest.raises(UserError, match="out of memory: lower it"), out_of_memory_advice("lower it"):
        raise RuntimeError(f"cuDNN error: {text}")


def test_the_innermost_advice_stands():
    with (
        pytest.raises(UserError, match="lower the inner"),
        out_of_memory_advice("lower the outer"),
        out_of_memory_advice("lower the inner"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def test_an_error_without_a_text_is_named_by_its_class():
    with pytest.raises(UserError, match=r"out of memory: lower it \(MemoryError\)"), out_of_memory_advice("lower it"):
        raise MemoryError


def test_only_the_first_line_of_a_long_error_is_shown():
    with pytest.raises(UserError) as caught, out_of_memory_advice("lower it"):
        raise RuntimeError("CUDA out of memory. " + "x" * 300 + "\nbacktrace\nof C++")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_nothing_is_changed_where_memory_suffices():
    with out_of_memory_advice("lower it"):
        pass
    with pytest.raises(KeyError), out_of_memory_advice("lower it"):
        raise KeyError("out of memory")
