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
