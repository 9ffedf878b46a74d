"""Running out of memory is one message that names the setting to lower, whichever allocator it was."""

import pytest
import torch

from harness.errors import UserError
from harness.training.out_of_memory import out_of_memory_advice


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


def test_a_step_that_does_not_fit_says_which_setting_to_lower(make_loop):
    loop = make_loop()

    def hungry(index):
        torch.empty(2**50)

    loop.method.before = hungry
    with pytest.raises(UserError, match=r"lower `training: micro_batch` \(now the whole batch of 4\)"):
        loop.run()


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
