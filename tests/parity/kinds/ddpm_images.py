"""The DDPM for images: network in both layouts, FastDPM's schedule and transitions, critics and value networks."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from harness.testing import golden
from harness.testing.golden import Case, kind
from harness.toolkit.chains.fast_dpm import fast_schedule
from harness.toolkit.chains.schedules import coefficients
from harness.toolkit.transitions import transition_log_prob
from harness_ddpm import UNetConfig
from harness_ddpm.diffusers_names import to_diffusers, weights_from_diffusers
from harness_ddpm.image_model import ImageDDPM
from harness_ddpm.published import from_arguments, from_diffusers
from harness_sft_pg.image_networks import ImageCritic, ImageValue


def network(arguments, weights, **settings) -> ImageDDPM:
    config, spec = from_arguments(arguments)
    model = ImageDDPM(config.model_copy(update=settings), spec)
    model.load_state_dict(weights, strict=True)
    return model.eval()


def is_ddpm_unet(case: Case) -> bool:
    return "num_res_blocks" in case.fields.get("init_kwargs", {}) and "eps" in case.arrays


@kind(is_ddpm_unet)
@torch.no_grad()
def ddpm_unet(case: Case) -> None:
    arrays, weights = case.arrays, case.weights()
    model = network(case.fields["init_kwargs"], weights)
    case.compare("temb_sinusoid", model.temb.features(arrays["t"]))
    case.compare("eps", model(arrays["x"], arrays["t"]))
    case.compare("eps_t999", model(arrays["x"], 999))
    case.compare("eps_t999", model(arrays["x"], torch.full((len(arrays["x"]),), 999)))
    back = weights_from_diffusers(to_diffusers(weights, len(model.down)), model.state_dict())
    assert all(torch.equal(back[name], value) for name, value in weights.items())
    case.unchecked("x", "t", "temb_sinusoid", "eps", "eps_t999")


def is_diffusers_unet(case: Case) -> bool:
    return "block_out_channels" in case.fields.get("config", {})


@kind(is_diffusers_unet)
@torch.no_grad()
def diffusers_unet(case: Case) -> None:
    arrays, weights = case.arrays, case.weights()
    model = ImageDDPM(*from_diffusers(case.fields["config"])).eval()
    model.load_state_dict(weights_from_diffusers(weights, model.state_dict()), strict=True)
    case.compare("eps", model(arrays["x"], arrays["t"]))
    case.compare("eps_t5", model(arrays["x"], 5))
    assert set(to_diffusers(model.state_dict(), len(model.down))) == set(weights)
    if find_spec("diffusers") is not None:  # an optional dependency
        through_diffusers(case, weights)
    case.unchecked("x", "t", "eps", "eps_t5")


def through_diffusers(case: Case, weights) -> None:
    """Compare the case with the plugin that runs diffusers' own network."""
    from harness_diffusers.model import build
    from harness_diffusers.published import from_config

    model = build(*from_config(case.fields["config"])).eval()
    model.load_state_dict(weights, strict=True)
    arrays = case.arrays
    case.compare("eps", model(arrays["x"], arrays["t"]))
    case.compare("eps_t5", model.predict_noise(arrays["x"], 5.0, None))


def is_fast_schedule(case: Case) -> bool:
    return {"beta_0", "beta_T", "schedules", "kappas"} <= set(case.fields)


@kind(is_fast_schedule)
def fast_schedules(case: Case) -> None:
    fields: dict[str, Any] = dict(case.fields)
    known = []
    for steps in fields["S"]:
        for name in fields["schedules"]:
            schedule = fast_schedule(fields["beta_0"], fields["beta_T"], fields["T"], steps, name)
            stem = f"S{steps}_{name}"
            # Betas are as small as 1e-4 and the bisection is the reference's: no absolute tolerance.
            np.testing.assert_allclose(schedule.betas, case.arrays[f"{stem}_eta"].numpy(), rtol=1e-9)
            np.testing.assert_allclose(schedule.times, case.arrays[f"{stem}_steps"].numpy(), rtol=0, atol=2e-3)
            known += [f"{stem}_eta", f"{stem}_steps"]
            for kappa in fields["kappas"]:
                table = schedule.coefficients(kappa)
                for part in ("x_mult", "eps_mult", "std"):
                    array = f"{stem}_kappa{kappa}_{part}"
                    torch.testing.assert_close(table[part], case.arrays[array], rtol=1e-4, atol=1e-5)
                    known.append(array)
    config = UNetConfig(beta_start=fields["beta_0"], beta_end=fields["beta_T"], steps=fields["T"])
    table = coefficients(config)
    # The reference runs its products in float32, and so loses digits of differences of numbers near one.
    torch.testing.assert_close(table["betas"], case.arrays["beta"], rtol=1e-6, atol=0)
    torch.testing.assert_close(table["signal"] ** 2, case.arrays["alpha_bar"], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(table["stds"], case.arrays["sigma_tilde"], rtol=1e-4, atol=1e-5)
    case.unchecked(*known, "beta", "alpha_bar", "sigma_tilde")


def is_fast_transition(case: Case) -> bool:
    return {"x_prev", "step_index", "log_prob"} <= set(case.arrays)


@kind(is_fast_transition)
@torch.no_grad()
def fast_transitions(case: Case) -> None:
    arrays, fields, weights = case.arrays, case.fields, case.weights()
    source = next(
        other for other in golden.cases(case.folder)
        if other.fields.get("weights_file") == fields["weights_file"] and "init_kwargs" in other.fields
    )  # fmt: skip
    model = network(
        source.fields["init_kwargs"], weights,
        sampling_steps=fields["S"], sampling_schedule=fields["schedule"], kappa=fields["kappa"],
    )  # fmt: skip
    x, step = arrays["x_prev"], arrays["step_index"]
    mean, std = model.transition(x, step)
    case.compare("eps", model(x, model.fast_time[step]))
    case.compare("mean", mean)
    case.compare("std", std.flatten())
    for table, name in (("x_mult", "x_mult"), ("eps_mult", "eps_mult"), ("std", "std_all"), ("time", "steps")):
        bounds = {"rtol": 0.0, "atol": 2e-3} if name == "steps" else case.tolerance(name)
        torch.testing.assert_close(getattr(model, f"fast_{table}"), arrays[name], **bounds)
    # The reference takes the mean over pixels; the harness's own log density is the sum.
    case.compare("log_prob", transition_log_prob(model, arrays["x_next"], x, step) / x[0].numel())
    case.unchecked("x_prev", "step_index", "x_next", "eps", "mean", "std", "x_mult", "eps_mult", "std_all", "steps", "log_prob")


def is_image_critic(case: Case) -> bool:
    return {"channels", "features", "resolution"} <= set(case.fields) and "score" in case.arrays


@kind(is_image_critic)
@torch.no_grad()
def image_critic(case: Case) -> None:
    critic = ImageCritic(case.fields["channels"], case.fields["features"])
    critic.load_state_dict(case.weights(), strict=True)
    case.compare("score", critic(case.arrays["x"]))
    case.unchecked("x", "score")


def is_image_value(case: Case) -> bool:
    return "weights_recipe" in case.fields and "value" in case.arrays


@kind(is_image_value)
@torch.no_grad()
def image_value(case: Case) -> None:
    weights, random = {}, np.random.RandomState(case.fields["seed"])
    table = case.fields["weights_recipe"]["per_key"]
    for name in sorted(table):
        recipe = table[name]
        drawn = random.standard_normal(recipe["shape"]) * recipe["scale"] + recipe["offset"]
        weights[name] = torch.from_numpy(drawn.astype(np.float32))
    first = weights[min(weights)].flatten()
    case.compare("first_weights_check", first[: len(case.arrays["first_weights_check"])])
    widths = [weights[f"lin{index}.lin.weight"].shape[0] for index in (1, 2, 3)]
    value = ImageValue(case.fields["img_shape"], case.fields["num_steps"], widths)
    value.load_state_dict(weights, strict=True)
    case.compare("value", value(case.arrays["x"], case.arrays["t"]))
    case.unchecked("x", "t", "value", "first_weights_check")
