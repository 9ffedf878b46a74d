"""EDM2: networks, forced weight normalisation, loss, sampler, averages, latents."""

import numpy as np
import torch

from harness.components import Sampler
from harness.interfaces import GuidedSampler, SampleFunction
from harness.plugins import registry
from harness.testing import golden
from harness.testing.golden import Case, kind
from harness.toolkit.denoising import NoisyLevel, loss_weight
from harness.training import power_function
from harness_edm.sampler import noise_levels
from harness_edm2 import latents
from harness_edm2.denoiser import EDM2
from harness_edm2.published import from_arguments


def has_edm2_network(case: Case) -> bool:
    arguments = case.fields.get("init_kwargs", {})
    return "model_channels" in arguments and "model_type" not in arguments and "img_resolution" in arguments


def load(arguments, weights) -> EDM2:
    model = EDM2(*from_arguments(arguments))
    model.load_state_dict(weights, strict=True)
    return model.eval()


def network(case: Case) -> EDM2:
    """Return the case's network in eval mode, with its weights, which must fit strictly."""
    return load(case.fields["init_kwargs"], case.weights())


def other(case: Case, field: str) -> Case:
    """Return a view of the case with another weights file of the same folder."""
    return Case(case.folder, case.name, {"weights_file": case.fields[field]})


def is_edm2_network(case: Case) -> bool:
    return has_edm2_network(case) and {"x", "sigma", "D", "F"} <= set(case.arrays)


@kind(is_edm2_network)
def edm2_network(case: Case) -> None:
    arrays, model = case.arrays, network(case)
    x, sigma, labels = arrays["x"], arrays["sigma"], arrays.get("class_labels")
    raw = []
    hook = model.unet.register_forward_hook(lambda _module, _arguments, output: raw.append(output))
    with torch.no_grad():
        case.compare("D", model(x, sigma, labels))
        hook.remove()
        case.compare("F", raw[0])
        case.compare("logvar", model.log_variance(sigma).view(-1, 1, 1, 1))
        if labels is not None:
            case.compare("D_labels_none", model(x, sigma))
            case.compare("D", model.denoise(x, sigma, labels.argmax(1)))
    case.unchecked("x", "sigma", "class_labels", "D", "F", "logvar", "D_labels_none")


def is_forced_norm(case: Case) -> bool:
    return "weights_before" in case.fields and "D_train1" in case.arrays


@kind(is_forced_norm)
def forced_normalisation(case: Case) -> None:
    before = other(case, "weights_before")
    # The inputs are those of the case that the weights before belong to.
    weights = case.fields["weights_before"]
    source = next(other for other in golden.cases(case.folder) if other.fields.get("weights_file") == weights)
    arguments = {**source.fields["init_kwargs"], "dropout": 0.0}
    model = load(arguments, before.weights()).train()
    x, sigma, labels = (source.arrays[name] for name in ("x", "sigma", "class_labels"))

    def step():
        with torch.no_grad():
            return model(x, sigma, labels), model.log_variance(sigma).view(-1, 1, 1, 1)

    def compare(name, actual):
        # "outputs" and "weights" are what the case calls its tolerances.
        bounds = case.tolerance("weights" if name == "weights" else "outputs")
        torch.testing.assert_close(actual, case.arrays[name], **bounds)

    denoised, log_variance = step()
    compare("D_train1", denoised)
    compare("logvar_train1", log_variance)
    first = {name: value.clone() for name, value in model.state_dict().items()}
    for name, value in case.weights().items():
        torch.testing.assert_close(first[name], value, rtol=0, atol=case.tolerance("weights")["atol"])
    compare("D_train2", step()[0])
    moved = max(float((value - first[name]).abs().max()) for name, value in model.state_dict().items())
    assert abs(moved - float(case.arrays["max_abs_w2_minus_w1"])) < case.tolerance("weights")["atol"]
    with torch.no_grad():
        compare("D_eval_after", model.eval()(x, sigma, labels))
    case.unchecked("D_train1", "logvar_train1", "D_train2", "D_eval_after", "max_abs_w2_minus_w1")


def is_edm2_loss(case: Case) -> bool:
    return has_edm2_network(case) and "loss" in case.fields


@kind(is_edm2_loss)
def edm2_loss(case: Case) -> None:
    arrays, model, settings = case.arrays, network(case), case.fields["loss"]
    sigma, noise, y, labels = arrays["sigma"].flatten(), arrays["eps"], arrays["y"], arrays.get("labels")
    torch.testing.assert_close((settings["P_mean"] + settings["P_std"] * arrays["rnd_normal"].flatten()).exp(), sigma)
    weight = loss_weight(sigma, settings["sigma_data"]).view(-1, 1, 1, 1)
    with torch.no_grad():
        denoised = model(y + arrays["sigma"] * noise, sigma, labels)
        log_variance = model.log_variance(sigma).view(-1, 1, 1, 1)
    loss = weight / log_variance.exp() * (denoised - y) ** 2 + log_variance
    for name, value in (("D", denoised), ("weight", weight), ("logvar", log_variance), ("loss", loss)):
        case.compare(name, value)
    rows = None if labels is None else labels.argmax(1)
    total = model.training_loss_at(y, rows, NoisyLevel(sigma, noise))
    torch.testing.assert_close(total, arrays["loss"].flatten(1).sum(1), **case.tolerance("loss"))
    case.unchecked("y", "rnd_normal", "sigma", "eps", "weight", "logvar", "D", "loss", "labels")


def is_edm2_sampler(case: Case) -> bool:
    return has_edm2_network(case) and "sampler" in case.fields


class GivenNoise:
    """Stands for the streams of samples where a case gives the noise that the samples begin from."""

    device = torch.device("cpu")

    def __init__(self, noise: torch.Tensor) -> None:
        self.noise = noise

    def __len__(self) -> int:
        return len(self.noise)

    def normal(self, *shape: int) -> torch.Tensor:
        assert self.noise.shape[1:] == shape
        return self.noise


def installed_sampler(name: str, **settings: object) -> SampleFunction:
    """Return a sampler as a board gets it: found by name, with checked settings."""
    component = registry().get(Sampler, name, where="this test")
    return component.create(component.config.model_validate(settings))


@kind(is_edm2_sampler)
def edm2_sampler(case: Case) -> None:
    arrays, model, settings = case.arrays, network(case), case.fields["sampler"]
    low, high, steps, rho = (settings[name] for name in ("sigma_min", "sigma_max", "num_steps", "rho"))
    assert model.sigma_range == (low, high)
    labels = arrays["labels"].argmax(1) if "labels" in arrays else None
    inner = {"name": "heun", "steps": steps, "rho": rho}
    if case.fields.get("guiding_weights_file"):
        weights = other(case, "guiding_weights_file").weights()
        guide = load(case.fields["guiding_init_kwargs"], weights)
        sampler = installed_sampler("autoguidance", sampler=inner, weight=settings["guidance"], guide="small")
        assert isinstance(sampler, GuidedSampler)
        sampler.take_networks({"small": guide})
    else:
        assert settings["guidance"] == 1
        sampler = installed_sampler("heun", steps=steps, rho=rho)
    x = sampler(model, model.spec, GivenNoise(arrays["noise"]), labels)
    case.compare("t_steps", noise_levels(steps, low=low, high=high, rho=rho).float())
    # The harness's sampler is the variant in float64, and gives its result in float32.
    case.compare("samples_sampler_in_float64", x.double())
    case.compare("samples", x)
    case.unchecked("noise", "t_steps", "labels", "samples", "samples_sampler_in_float64")


def is_power_function_scalars(case: Case) -> bool:
    return {"exp_of_std", "beta", "lr"} <= set(case.arrays)


@kind(is_power_function_scalars)
def power_function_scalars(case: Case) -> None:
    arrays = {name: value.numpy() for name, value in case.arrays.items()}

    def compare(name, values):
        case.compare(name, torch.as_tensor(np.asarray(values), dtype=case.arrays[name].dtype))

    compare("exp_of_std", [power_function.exponent(std) for std in arrays["std"]])
    compare("exp_of_std", [power_function.exponent(std) for std in arrays["std_of_exp"]])
    triples = zip(arrays["beta_std"], arrays["beta_t_next"], arrays["beta_t_delta"], strict=True)
    compare("beta", [power_function.decay(std, seen, batch) for std, seen, batch in triples])
    problems = sorted({name.split("_")[0] for name in arrays if name.startswith("phema")})
    for problem in problems:
        times, stds = arrays[f"{problem}_in_ofs"], arrays[f"{problem}_in_std"]
        matrix = power_function.overlap(times, stds, times, stds)
        # Entries span twelve decades: the absolute tolerance would pass anything.
        np.testing.assert_allclose(matrix, arrays[f"{problem}_A"], rtol=1e-6)
        condition = float(arrays[f"{problem}_condA"])
        assert abs(np.linalg.cond(matrix) / condition - 1) < 1e-3
        weights = power_function.coefficients(times, stds, float(arrays[f"{problem}_out_ofs"]), arrays[f"{problem}_out_std"])
        rtol = 1e-4 * max(1, condition / 1e8)
        np.testing.assert_allclose(weights, arrays[f"{problem}_coefs"], rtol=rtol, atol=1e-9)
    parts = ("in_ofs", "in_std", "out_ofs", "out_std", "coefs", "A", "condA")
    # The authors' learning rates and the numbers in their files' names are theirs alone: nothing here computes them.
    case.unchecked(
        "std", "exp_of_std", "std_of_exp", "beta_std", "beta_t_next", "beta_t_delta", "beta", "lr_args", "lr", "kimg",
        "kimg_to_nimg", *(f"{problem}_{part}" for problem in problems for part in parts),
    )  # fmt: skip


def is_average_update(case: Case) -> bool:
    return {"net_weight", "ema_weight", "batch_size"} <= set(case.arrays)


@kind(is_average_update)
def average_update(case: Case) -> None:
    weights, expected, batch = (case.arrays[name] for name in ("net_weight", "ema_weight", "batch_size"))
    layer = torch.nn.Linear(weights.shape[2], weights.shape[1], bias=False)
    tracked, steps = power_function.PowerFunctionAverage(layer, case.fields["stds"]), []
    for step, weight in enumerate(weights, start=1):
        with torch.no_grad():
            layer.weight.copy_(weight)
        tracked.update(layer, seen=step * int(batch), batch=int(batch))
        steps.append(torch.stack([average["weight"].clone() for average in tracked.averages]))
    assert len(steps) == len(expected)
    case.compare("ema_weight", torch.stack(steps))
    case.unchecked("net_weight", "ema_weight", "batch_size")


def is_latents(case: Case) -> bool:
    return {"raw_latents", "final_latents"} <= set(case.arrays)


@kind(is_latents)
def vae_latents(case: Case) -> None:
    drawn = latents.draw_latents(case.arrays["raw_latents"], case.arrays["eps"])
    case.compare("final_latents", drawn)
    case.compare("decoded_raw", latents.to_vae(drawn))
    case.compare("scale", latents.scale())
    case.compare("bias", latents.bias())
    case.unchecked("raw_latents", "eps", "final_latents", "decoded_raw", "scale", "bias")
