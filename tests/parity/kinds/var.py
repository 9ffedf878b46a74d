"""VAR: tokenizer, quantiser, transformer, sampling and filters."""

import re
from typing import Any

import torch
from torch.nn import functional

from harness.interfaces import DataSpec
from harness.streams import SampleStreams
from harness.testing.golden import Case, kind
from harness_var import VARConfig, VARSamplerConfig, VQVAEConfig
from harness_var.filters import guidance_weight, surviving
from harness_var.model import VAR
from harness_var.network import VARTransformer
from harness_var.quantizer import MultiScaleQuantizer, nearest_tick, ticks
from harness_var.sampler import VARSampler
from harness_var.tokenizer import VQVAE


def tokenizer_config(case: Case) -> VQVAEConfig:
    names = set(VQVAEConfig.model_fields) - {"preset", "weights", "sha256"}
    return VQVAEConfig(**{name: value for name, value in case.config.items() if name in names})


def tokenizer(case: Case) -> VQVAE:
    model = VQVAE(tokenizer_config(case), case.config["v_patch_nums"]).eval().requires_grad_(False)
    model.load_state_dict(case.weights(), strict=True)
    return model


def transformer_config(case: Case, **others: object) -> VARConfig:
    names = set(VARConfig.model_fields) - {"preset", "tokenizer"}
    return VARConfig(**{name: value for name, value in case.config.items() if name in names}, **others)


@kind(lambda case: {"v_patch_nums", "ch_mult"} <= set(case.config))
@torch.no_grad()
def var_tokenizer(case: Case) -> None:
    model, x = tokenizer(case), case.arrays["in_img"]
    tokens, random = model.encode(x), case.arrays["in_rand_tokens_BL"]
    sums = list(model.quantize.partial_sums(model.scales(tokens)))
    found = {
        "out_encoder_out": model.encoder(x),
        "out_f": model.latent(x),
        "out_tokens_BL": tokens,
        "out_fhat_per_scale": torch.stack(sums, dim=1),
        "out_var_input": model.teacher_input(tokens),
        "out_embed_to_fhat": torch.stack(sums, dim=1),
        "out_embed_to_fhat_last": sums[-1],
        "out_recon_last": model.decode(tokens),
        "out_recon_per_scale": torch.stack([model.images(total) for total in sums], dim=1),
        "out_rand_var_input": model.teacher_input(random),
        "out_rand_img": model.decode(random),
        "out_rand_img_preclamp": model.decoder(
            model.post_quant_conv(list(model.quantize.partial_sums(model.scales(random)))[-1])
        ),
    }
    if "alt_pn" in case.config:
        found["out_tokens_BL_alt_pn"] = model.encode(x, case.config["alt_pn"])
    for name, value in found.items():
        case.compare(name, value)
    case.unchecked("in_img", "in_rand_tokens_BL", *found)


@kind(lambda case: {"v_patch_nums", "Cvae"} <= set(case.config) and "ch_mult" not in case.config)
@torch.no_grad()
def var_quantizer(case: Case) -> None:
    sides = case.config["v_patch_nums"]
    config = tokenizer_config(case).model_copy(update={"z_channels": case.config["Cvae"]})
    model = MultiScaleQuantizer(config, sides)
    model.load_state_dict(case.weights(), strict=True)
    tokens = model.encode(case.arrays["in_f"])
    sums = list(model.partial_sums(tokens))
    convolutions = len(case.arrays["out_phi_ticks"])
    found = {
        "out_tokens_BL": torch.cat(tokens, dim=1),
        "out_fhat_last": sums[-1],
        "out_fhat_mean_abs_per_scale": torch.stack([total.abs().mean() for total in sums]),
        "out_var_input": model.teacher_input(tokens),
        "out_phi_ticks": torch.from_numpy(ticks(convolutions)).float(),
        "out_phi_index_per_scale": torch.tensor([nearest_tick(k, len(sides), convolutions) for k in range(len(sides))]),
    }
    for name, value in found.items():
        case.compare(name, value)
    case.unchecked("in_f", *found)


@kind(lambda case: {"patch_nums", "shared_aln"} <= set(case.config))
@torch.no_grad()
def var_transformer(case: Case) -> None:
    config, arrays = transformer_config(case), case.arrays
    classes = case.config["num_classes"]
    model = VARTransformer(config, classes, case.config["V"], case.config["Cvae"]).eval()
    model.load_state_dict(case.weights(), strict=True)
    x, labels, tokens = arrays["in_x_BLCv_wo_first_l"], arrays["in_label_B"], arrays["in_tokens_BL"]
    lengths = [side**2 for side in config.patch_nums]
    checked = ["in_x_BLCv_wo_first_l", "in_label_B", "in_tokens_BL"]
    for suffix, own in {"": labels, "_null": torch.full_like(labels, classes)}.items():
        logits = model(x, own)
        log_p = logits.log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)
        case.compare(f"out_logits{suffix}", logits)
        case.compare(f"out_token_logp{suffix}", log_p)
        per_scale = torch.stack([one.sum(1) for one in log_p.split(lengths, 1)], 1)
        sums = {"out_logp": log_p.sum(1), "out_logp_per_scale": per_scale}
        tolerances: dict[str, Any] = dict(case.fields["tolerance"])
        for name, value in sums.items():
            case.compare(f"{name}{suffix}", value, **tolerances.get("logp", {}))
        checked += [f"{name}{suffix}" for name in ("out_logits", "out_token_logp", *sums)]
    for name in arrays:
        if match := re.fullmatch(r"out_train_loss_ls([0-9.]+)", name):
            smoothing = float(match[1])
            case.compare(name, functional.cross_entropy(model(x, labels).mT, tokens, label_smoothing=smoothing))
            checked.append(name)
    case.unchecked(*checked)


def pair(case: Case) -> VAR:
    """The transformer and the tokenizer that a case of sampling names, as one model."""
    of_transformer, of_tokenizer = case.sibling("var_case"), case.sibling("vae_case")
    config = transformer_config(of_transformer, tokenizer=tokenizer_config(of_tokenizer))
    size = config.patch_nums[-1] * config.tokenizer.downsample
    model = VAR(config, DataSpec((3, size, size), of_transformer.config["num_classes"], "images")).eval()
    weights = {f"tokenizer.{name}": value for name, value in of_tokenizer.weights().items()}
    model.load_state_dict({**case.weights(), **weights}, strict=True)
    return model


@kind(lambda case: {"cfg", "top_k", "top_p"} <= set(case.config))
@torch.no_grad()
def var_sampling(case: Case) -> None:
    model, arrays = pair(case), case.arrays
    labels, tokens = arrays["in_label_B"], arrays["out_tokens_BL"]
    n, scales = len(labels), len(model.patch_nums)
    config = VARSamplerConfig(**{name: case.config[name] for name in ("cfg", "top_k", "top_p")})
    for kv_cache in (True, False):
        sampler = VARSampler(config.model_copy(update={"kv_cache": kv_cache}))
        drawn = sampler.tokens(model, SampleStreams(0, "parity", range(n)), labels)
        if config.top_k == 1:  # otherwise the tokens are those of another generator of random numbers
            case.compare("out_tokens_BL", drawn)

    x, null = model.tokenizer.teacher_input(tokens), torch.full_like(labels, model.null_label)
    raw = torch.cat([model(x, labels), model(x, null)])
    case.compare("out_raw_logits_2B", raw)
    weights = [guidance_weight(config, scale, scales) for scale in range(scales)]
    if "cfg_t_per_scale" in case.fields:
        torch.testing.assert_close(weights, list(case.fields["cfg_t_per_scale"]))
    split = raw.split(list(model.lengths), dim=1)
    guided = torch.cat([sampler.guided(one, k, scales, n) for k, one in enumerate(split)], dim=1)
    if config.cfg:
        case.compare("out_guided_logits", guided)
    else:
        case.compare("out_guided_logits", raw[:n])
    likely = surviving(arrays["out_guided_logits"], top_k=config.top_k, top_p=config.top_p)
    assert likely.gather(-1, tokens[..., None]).all(), f"{case}: the filters drop tokens that the reference drew"
    case.compare("out_img", (model.decode(tokens) + 1) / 2)
    case.unchecked("in_label_B", "out_tokens_BL", "out_raw_logits_2B", "out_guided_logits", "out_img")


@kind(lambda case: {"settings", "V"} <= set(case.config))
def var_filters(case: Case) -> None:
    logits, checked = case.arrays["in_logits"], ["in_logits"]
    for name, array in case.arrays.items():
        if match := re.fullmatch(r"out_(keep|sample)_k(\d+)_p([0-9.]+)", name):
            keep = surviving(logits, top_k=int(match[2]), top_p=float(match[3]))
            if match[1] == "keep":
                case.compare(name, keep)
            else:  # drawn by another generator of random numbers
                assert keep.gather(-1, array[..., None]).all(), f"{case}, {name}: the filters drop what was drawn"
            checked.append(name)
    case.unchecked(*checked)
