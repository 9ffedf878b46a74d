"""The toy critic and value network of SFT-PG."""

import torch

from harness.testing.golden import Case, kind
from harness_sft_pg.networks import Critic, Value


def is_toy_critic_value(case: Case) -> bool:
    return "network" not in case.fields and "n_steps" in case.fields and {"critic", "value"} <= set(case.arrays)


@kind(is_toy_critic_value)
def toy_critic_value(case: Case) -> None:
    x, t = case.arrays["x"], case.arrays["t"]
    shape = x.shape[1:]

    weights = case.weights("critic.")
    critic = Critic(shape, weights["lin1.weight"].shape[0])
    critic.load_state_dict(weights, strict=True)
    case.compare("critic", critic(x))

    weights = case.weights("value.")
    value = Value(shape, case.fields["n_steps"], weights["lin1.lin.weight"].shape[0])
    value.load_state_dict(weights, strict=True)
    case.compare("value", value(x, t))
    for row, step in enumerate(t.tolist()):  # one index for a whole batch takes another path through the network
        torch.testing.assert_close(value(x[row : row + 1], step), case.arrays["value"][row : row + 1], **case.tolerance("value"))
    case.unchecked("x", "t", "critic", "value")
