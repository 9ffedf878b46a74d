"""MaskGIT, both generations: transformers, tokenizers, sampling and schedules."""

import re

import torch
from torch.nn import functional

from harness.interfaces import DataSpec
from harness.streams import SampleStreams
from harness.testing.golden import Case, kind
from harness_maskgit import ConfidenceConfig, HaltonConfig, MaskGITConfig, VQGANConfig
from harness_maskgit.model import build
from harness_maskgit.network_v1 import MaskGITv1
from harness_maskgit.network_v2 import MaskGITv2
from harness_maskgit.sampler import Confidence, Halton, Noise, confidence
from harness_maskgit.schedules import (
    halton_known_after_step,
    halton_order,
    known_after_step,
    mask_probability,
    tokens_per_step,
)
from harness_maskgit.tokenizer import VQGAN


def generation(case: Case) -> str:
    """v1 or v2, by the words of the case: nothing else in it tells them apart where there is only a sampler's settings."""
    return "v1" if "v1" in str(case.fields["reference_version"]) else "v2"


def transformer_config(case: Case, **others: object) -> MaskGITConfig:
    given = case.config
    names = ("hidden_dim", "depth", "heads", "mlp_dim", "dropout")
    first = "tokens_per_side" in given
    return MaskGITConfig(
        generation="v1" if first else "v2",
        input_size=given["tokens_per_side" if first else "input_size"],
        registers=given.get("register", 0),
        label_smoothing=0.1 if first else 0.0,
        **{name: given[name] for name in names},
        **{"tokenizer": {"codebook_size": given["codebook_size"]}, **others},
    )


def tokenizer_config(case: Case) -> VQGANConfig:
    given = dict(case.config)
    if "codebook_embed_dim" in given:
        given |= {"layout": "llamagen", "embed_dim": given["codebook_embed_dim"]}
    else:
        given |= {"layout": "taming"}
    names = set(VQGANConfig.model_fields)
    return VQGANConfig(**{name: value for name, value in given.items() if name in names})


@kind(lambda case: {"hidden_dim", "codebook_size", "mlp_dim"} <= set(case.config))
@torch.no_grad()
def maskgit_transformer(case: Case) -> None:
    config, arrays = transformer_config(case), case.arrays
    classes = case.config["nclass"]
    model = (MaskGITv1 if config.generation == "v1" else MaskGITv2)(config, classes).eval()
    model.load_state_dict(case.weights(), strict=True)
    code, mask, masked = (arrays[name].flatten(1) for name in ("in_code", "in_mask", "in_masked_code"))
    labels, drop = arrays["in_y"], arrays["in_drop_label"]
    logits = model(masked, torch.where(drop, classes, labels))
    log_p = logits.log_softmax(-1).gather(-1, code[..., None]).squeeze(-1)
    found = {
        "out_logits": logits,
        "out_logits_cond": model(masked, labels),
        "out_logits_uncond": model(masked, torch.full_like(labels, classes)),
        "out_token_logp": log_p,
        "out_masked_logp_sum": (log_p * mask).sum(1),
        "out_all_logp_sum": log_p.sum(1),
        "out_train_loss": functional.cross_entropy(logits.mT, code, label_smoothing=config.label_smoothing),
        "out_masked_ce_mean": -log_p[mask].mean(),
    }
    for name, value in found.items():
        case.compare(name, value)
    case.unchecked("in_code", "in_mask", "in_masked_code", "in_y", "in_drop_label", *found)


@kind(lambda case: {"ch_mult", "codebook_size"} <= set(case.config))
@torch.no_grad()
def maskgit_tokenizer(case: Case) -> None:
    model = VQGAN(tokenizer_config(case)).eval()
    model.load_state_dict(case.weights(), strict=True)
    x, random = case.arrays["in_img"], case.arrays["in_rand_code"]
    tokens = model.encode(x)
    found = {
        "out_encoder_out": model.encoder(x),
        "out_z_before_quant": model.latent(x),
        "out_indices": tokens,
        "out_z_q": model.embed(tokens),
        "out_decoded": model.decode(tokens),
        "out_rand_code_embed": model.embed(random),
        "out_rand_decoded": model.decode(random),
    }
    for name, value in found.items():
        case.compare(name, value)
    case.unchecked("in_img", "in_rand_code", *found)


class Surest(Noise):
    """No randomness: the likeliest code, and no noise on confidences."""

    def draw(self, probabilities: torch.Tensor) -> torch.Tensor:
        return probabilities.argmax(-1)

    def gumbel(self, length: int) -> torch.Tensor:
        return torch.zeros(len(self.streams), length)


def sampler(case: Case) -> Confidence | Halton:
    given = case.config
    if given.get("sampler") == "halton":
        names = {"sm_temp_min": "temperature_min", "sm_temp_max": "temperature_max", "temp_pow": "temperature_power"}
        names |= {"temp_warmup": "warmup", "step": "steps", "w": "w", "top_k": "top_k"}
        return Halton(HaltonConfig(**{own: given[name] for name, own in names.items() if name in given}))
    names = {"sm_temp": "temperature", "sched_mode": "schedule", "step": "steps", "w": "w"}
    settings = {own: given[name] for name, own in names.items() if name in given}
    return confidence(ConfidenceConfig(variant=generation(case), r_temp=0.0, **settings))


@kind(lambda case: {"step", "w", "codebook_size"} <= set(case.config))
@torch.no_grad()
def maskgit_sampling(case: Case) -> None:
    of_transformer, of_tokenizer = case.sibling("transformer_case"), case.sibling("vqgan_case")
    config = transformer_config(of_transformer, tokenizer=tokenizer_config(of_tokenizer))
    size = config.input_size * config.tokenizer.downsample
    model = build(config, DataSpec((3, size, size), of_transformer.config["nclass"], "images")).eval()
    weights = {f"tokenizer.{name}": value for name, value in of_tokenizer.weights().items()}
    model.load_state_dict({**case.weights(), **weights}, strict=True)

    labels, side, own = case.arrays["in_labels"], config.input_size, sampler(case)
    noise = Surest(SampleStreams(0, "parity", range(len(labels))))
    steps = list(own.steps(model, noise, labels))
    stacked = {name: torch.stack([getattr(step, name) for step in steps], 1).unflatten(2, (side, side))
               for name in ("before", "drawn", "settled")}  # fmt: skip
    final = steps[-1].after.clamp(max=model.mask_token - 1)
    image = model.tokenizer.decode(final.unflatten(1, (side, side)))
    # The reference's bookkeeping says "still masked" in the confidence samplers and "is in the schedule" in the other.
    mask = stacked["settled"] if isinstance(own, Halton) else ~stacked["settled"]
    found = {
        "out_code_before_step": stacked["before"],
        "out_pred_code_per_step": stacked["drawn"],
        "out_mask_after_step": mask.float(),
        "out_final_code_clamped": final.unflatten(1, (side, side)),
        "out_raw_logits_first_step": steps[0].logits,
        "out_raw_logits_last_step": steps[-1].logits,
        "out_img": image if generation(case) == "v1" else image.clamp(-1, 1),
    }
    for name, value in found.items():
        case.compare(name, value)
    torch.testing.assert_close(model.decode(final), image.clamp(-1, 1))
    case.unchecked("in_labels", *found)


@kind(lambda case: "out_r" in case.arrays and any(name.startswith("out_train_mask_prob") for name in case.arrays))
def maskgit_schedules(case: Case) -> None:
    which, r = generation(case), case.arrays["out_r"]
    checked = ["out_r"]
    for name, array in case.arrays.items():
        words = re.fullmatch(
            r"out_(train_mask_prob|confidence_cumulative|tokens_per_step|halton_cumulative|halton_order)"
            r"_?([a-z]+?)?(?:_?step(\d+))?(?:_?size(\d+))?", name
        )  # fmt: skip
        if words is None:
            continue
        table, schedule, steps, size = words[1], words[2], int(words[3] or 0), int(words[4] or 0)
        if table == "train_mask_prob":
            found = mask_probability(schedule, r, generation=which)
        elif table == "confidence_cumulative":
            found = torch.tensor(known_after_step(schedule, steps, size**2))
        elif table == "tokens_per_step":
            found = torch.tensor(tokens_per_step(schedule, steps, size**2))
        elif table == "halton_cumulative":
            found = torch.tensor(halton_known_after_step(steps, size**2))
        else:
            order = halton_order(size)
            found = torch.stack([order // size, order % size], dim=1)
        case.compare(name, found.to(array.dtype))
        checked.append(name)
    case.unchecked(*checked)
