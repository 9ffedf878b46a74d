"""The toy DDPM of SFT-PG: network, reverse step, log density and noise schedules."""

import re

import torch

from harness.interfaces import DataSpec
from harness.testing.golden import Case, kind
from harness.toolkit.chains.schedules import betas
from harness.toolkit.transitions import transition_log_prob
from harness_ddpm import DDPMConfig
from harness_ddpm.model import DDPM

SCHEDULES = {name: name for name in ("sigmoid", "linear", "quadratic", "cosine")} | {"quad": "quadratic"}


def is_toy_ddpm(case: Case) -> bool:
    return case.fields.get("network") == "ConditionalModel" and "n_steps" in case.fields


@kind(is_toy_ddpm)
def toy_ddpm(case: Case) -> None:
    arrays, schedule = case.arrays, case.fields["schedule"]
    weights = case.weights()
    width, size = weights["lin1.lin.weight"].shape
    config = DDPMConfig(
        steps=case.fields["n_steps"],
        width=width,
        schedule=SCHEDULES[schedule["kind"]],
        beta_start=schedule["start"],
        beta_end=schedule["end"],
    )
    model = DDPM(config, DataSpec((size,)))
    model.load_state_dict(weights, strict=True)

    x, t = arrays["x"], arrays["t"]
    step = config.steps - 1 - t  # the arrays count from the data, transitions from the noise
    mean, std = model.transition(x, step)
    case.compare("eps", model(x, t))
    case.compare("mean", mean)
    case.compare("std", std.flatten())
    case.compare("log_prob", transition_log_prob(model, arrays["x_next"], x, step))
    for row in range(len(x)):  # one index for a whole batch takes another path through the network
        alone = model.transition(x[row : row + 1], int(step[row]))
        torch.testing.assert_close(alone.mean, arrays["mean"][row : row + 1], **case.tolerance("mean"))

    matches = {name: re.fullmatch(r"betas(?:_([a-z]+))?_T(\d+)", name) for name in arrays}
    tables = {name: match for name, match in matches.items() if match}
    for name, match in tables.items():
        name_here = SCHEDULES[match[1] or schedule["kind"]]
        actual = betas(name_here, int(match[2]), schedule["start"], schedule["end"]).float()
        # A beta is as small as 1e-5: the case's absolute tolerance would pass anything.
        torch.testing.assert_close(actual, arrays[name], rtol=case.tolerance(name)["rtol"], atol=0)
    case.unchecked("x", "t", "eps", "mean", "std", "x_next", "log_prob", *tables)
