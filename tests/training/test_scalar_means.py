"""The scalars of steps are checked when they come; their means do not depend on where a checkpoint cut them."""

import pytest
import torch

from harness.errors import Diverged, UserError
from harness.training.scalar_means import ScalarMeans

CPU = torch.device("cpu")


@pytest.fixture
def scalars():
    return ScalarMeans("method fit")


@pytest.mark.parametrize(("given", "message"), [
    (None, "step 3 gave None; it must give a mapping of scalars by name, or {}"),
    (0.5, "step 3 gave a float; it must give a mapping"),
    ([torch.tensor(1.0)], "step 3 gave a list; it must give a mapping"),
    ({"loss": 0.5}, "step 3 gave a float as loss; it must give 0-dim tensors"),
    ({"loss": None}, "step 3 gave None as loss; it must give 0-dim tensors"),
    ({"loss": torch.ones(5)}, r"step 3 gave a tensor of shape \(5,\) as loss; it must give 0-dim tensors, such as a mean"),
    ({"loss": torch.tensor(1.0, requires_grad=True)}, "step 3 gave loss with its graph, .* write loss.detach"),
    ({7: torch.tensor(1.0)}, "step 3 gave a scalar under the name 7; names are text"),
    ({"loss": torch.tensor(1j)}, "step 3 gave a tensor of torch.complex64 as loss; it must give real numbers"),
])  # fmt: skip
def test_what_a_step_must_not_give_is_named_in_one_line(scalars, given, message):
    with pytest.raises(UserError, match=f"^method fit: {message}") as caught:
        scalars.add(given, 3)
    assert "\n" not in str(caught.value)


def test_means_are_over_all_steps_that_had_the_scalar(scalars):
    for step in range(4):
        scalars.add({"count": torch.tensor(step), **({"rare": torch.tensor(4.0)} if step == 2 else {})}, step)
    assert scalars.means("step 4 of 4") == {"count": 1.5, "rare": 4.0}
    scalars.clear()
    assert scalars.means("step 4 of 4") == {}


def test_a_mean_that_is_not_finite_is_divergence(scalars):
    scalars.add({"loss": torch.tensor(float("inf"))}, 0)
    with pytest.raises(Diverged, match="loss is inf by step 1 of 8"):
        scalars.means("step 1 of 8")


def test_means_do_not_depend_on_where_a_checkpoint_cut_them(scalars):
    values = torch.rand(9, generator=torch.Generator().manual_seed(0))
    cut = ScalarMeans("method fit")
    for step, value in enumerate(values):
        scalars.add({"loss": value}, step)
        cut.add({"loss": value}, step)
        restored = ScalarMeans("method fit")
        restored.restore(cut.state(), CPU)
        cut = restored
    assert cut.means("") == scalars.means("")
