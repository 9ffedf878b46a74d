"""EDM for images: networks, loss, sampler."""

import torch

from harness.testing import golden
from harness.testing.golden import Case, kind
from harness.toolkit.denoising import NoisyLevel, loss_weight
from harness_edm import HeunConfig
from harness_edm.published import from_arguments
from harness_edm.sampler import Heun, noise_levels
from harness_edm.unet import EDMUNet


def has_edm_network(case: Case) -> bool:
    arguments = case.fields.get("init_kwargs", {})
    return "model_type" in arguments and "weights_file" in case.fields


def is_edm_network(case: Case) -> bool:
    return has_edm_network(case) and {"x", "sigma", "D", "F"} <= set(case.arrays)


def is_edm_loss(case: Case) -> bool:
    return has_edm_network(case) and "loss" in case.fields


def is_edm_sampler(case: Case) -> bool:
    return has_edm_network(case) and "sampler" in case.fields


def head_channels(case: Case) -> int | None:
    """Return what the case says, or the case that describes the same weights."""
    weights = case.fields["weights_file"]
    siblings = [other for other in golden.cases(case.folder) if other.fields.get("weights_file") == weights]
    stated = [other.fields.get("attention_channels_per_head") for other in (case, *siblings)]
    return next((channels for channels in stated if isinstance(channels, int)), None)


def network(case: Case) -> EDMUNet:
    """Return the case's network in eval mode, with its weights, which must fit strictly."""
    config, spec = from_arguments(case.fields["init_kwargs"])
    model = EDMUNet(config.model_copy(update={"head_channels": head_channels(case)}), spec)
    model.load_state_dict(case.weights(), strict=True)
    return model.eval()


@kind(is_edm_network)
def edm_network(case: Case) -> None:
    arrays, model = case.arrays, network(case)
    x, sigma = arrays["x"], arrays["sigma"]
    labels, augment = arrays.get("class_labels"), arrays.get("augment_labels")
    raw = []
    hook = model.model.register_forward_hook(lambda _module, _arguments, output: raw.append(output))
    with torch.no_grad():
        case.compare("D", model(x, sigma, labels))
        hook.remove()
        case.compare("F", raw[0])
        case.compare("D_scalar_sigma", model(x, torch.tensor(0.7), labels))
        if labels is not None:
            case.compare("D_labels_none", model(x, sigma))
            case.compare("D", model.denoise(x, sigma, labels.argmax(1)))
        if augment is not None:
            case.compare("D_augment", model(x, sigma, labels, augment))
    case.unchecked("x", "sigma", "class_labels", "augment_labels", "D", "F", "D_scalar_sigma", "D_labels_none", "D_augment")


@kind(is_edm_loss)
def edm_loss(case: Case) -> None:
    arrays, model, settings = case.arrays, network(case), case.fields["loss"]
    sigma, noise, y = arrays["sigma"].flatten(), arrays["eps"], arrays["y"]
    torch.testing.assert_close((settings["P_mean"] + settings["P_std"] * arrays["rnd_normal"].flatten()).exp(), sigma)
    weight = loss_weight(sigma, settings["sigma_data"]).view(-1, 1, 1, 1)
    labels, augment = arrays.get("class_labels"), arrays.get("augment_labels")
    denoised = model(y + arrays["sigma"] * noise, sigma, labels, augment)
    case.compare("D", denoised)
    case.compare("weight", weight)
    case.compare("loss", weight * (denoised - y) ** 2)
    if augment is None:  # the harness's own loss has no augmentation
        rows = None if labels is None else labels.argmax(1)
        total = -model.log_likelihood(y, rows, NoisyLevel(sigma, noise))
        case.compare("loss_sum_over_batch_mean", total.mean())
    else:
        case.compare("loss_sum_over_batch_mean", (weight * (denoised - y) ** 2).sum() / len(y))
    case.unchecked(
        "y", "rnd_normal", "sigma", "eps", "weight", "D", "loss", "loss_sum_over_batch_mean",
        "class_labels", "augment_labels",
    )  # fmt: skip


@kind(is_edm_sampler)
def edm_sampler(case: Case) -> None:
    arrays, model, settings = case.arrays, network(case), case.fields["sampler"]
    low, high, steps, rho = (settings[name] for name in ("sigma_min", "sigma_max", "num_steps", "rho"))
    case.compare("t_steps", noise_levels(steps, low=low, high=high, rho=rho))
    labels = arrays["class_labels"].argmax(1) if "class_labels" in arrays else None
    heun = Heun(HeunConfig(steps=steps, rho=rho))
    x = heun.solve(model, arrays["latents"], labels, low=low, high=high)
    case.compare("samples_f64", x)
    case.compare("samples", x.float())
    case.unchecked("latents", "t_steps", "class_labels", "samples", "samples_f64")
