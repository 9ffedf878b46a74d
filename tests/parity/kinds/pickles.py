"""NVIDIA's network pickles and reference statistics, through the restricted reader."""

import numpy as np
import scipy.linalg
import torch
from safetensors.torch import load_file

from harness.features import Moments
from harness.images.statistics_files import recognise
from harness.testing.golden import Case, kind
from harness.weights import pickles
from harness_edm import published as edm
from harness_edm.unet import EDMUNet
from harness_edm2 import published as edm2
from harness_edm2.denoiser import EDM2

READERS = {"EDMPrecond": (edm.from_arguments, EDMUNet), "Precond": (edm2.from_arguments, EDM2)}


def is_network_pickle(case: Case) -> bool:
    return "pickle_file" in case.fields and "ema_class" in case.fields


@kind(is_network_pickle)
@torch.no_grad()
def network_pickle(case: Case) -> None:
    fields = case.fields
    stored = pickles.load(case.folder / fields["pickle_file"])
    assert list(stored) == fields["top_keys"]
    network = pickles.network(stored)
    assert network.class_name == fields["ema_class"]
    assert network.arguments == fields["ema_init_kwargs"]
    weights = pickles.state_dict(network)
    assert len(weights) == fields["num_tensors"]
    assert {str(value.dtype).removeprefix("torch.") for value in weights.values()} == set(fields["dtypes"])
    expected = load_file(case.folder / fields["same_weights_as"])
    assert set(weights) == set(expected)
    for name, value in weights.items():
        assert torch.equal(value, expected[name].to(value.dtype)), name

    from_arguments, build = READERS[network.class_name]
    model = build(*from_arguments(network.arguments))
    model.load_state_dict(weights, strict=True)
    model.eval()
    if "arrays_file" in fields:
        arrays, output = case.arrays, "D_params_cast_to_float32"
        # What the official code gives on a CPU when it rounds gains to half precision is not the harness's function.
        torch.testing.assert_close(arrays["D_params_left_float16_cpu"], arrays[output], rtol=0, atol=1e-2)
        case.unchecked("x", "sigma", "class_labels", output, "D_params_left_float16_cpu")
    else:
        file = str(fields["expected_outputs"]).split()[0]
        with np.load(case.folder / file, allow_pickle=False) as loaded:
            arrays, output = {name: torch.from_numpy(loaded[name]) for name in loaded.files}, "D"
    denoised = model(arrays["x"], arrays["sigma"], arrays.get("class_labels"))
    torch.testing.assert_close(denoised, arrays[output], **case.tolerance(output))


def is_reference_statistics(case: Case) -> bool:
    return "reference_file" in case.fields


def frechet(first: Moments, second: Moments) -> float:
    root = scipy.linalg.sqrtm(first.covariance @ second.covariance)
    mean = np.square(first.mean - second.mean).sum()
    return float(mean + np.trace(first.covariance + second.covariance - 2 * np.real(root)))


def moments_of(features: torch.Tensor) -> Moments:
    values = features.numpy()
    return Moments(len(values), values.mean(0), np.cov(values, rowvar=False))


@kind(is_reference_statistics)
def reference_files(case: Case) -> None:
    statistics, arrays = recognise(case.folder / case.fields["reference_file"]), case.arrays
    assert statistics is not None
    reference = {name or "fid": table["moments"].load() for name, table in statistics.tables.items()}  # an .npz names no metric

    def compare(name, value):
        case.compare(name, torch.as_tensor(np.asarray(value)))

    if "features_a" in arrays:
        first, second = moments_of(arrays["features_a"]), moments_of(arrays["features_b"])
        compare("mu_a", first.mean)
        compare("sigma_a", first.covariance)
        np.testing.assert_allclose(reference["fid"].mean, second.mean, rtol=1e-6, atol=1e-8)
        compare("fid_a_vs_b", frechet(first, reference["fid"]))
        case.unchecked("features_a", "features_b", "mu_a", "sigma_a", "fid_a_vs_b")
        return
    names = [name for name in arrays if not name.startswith("features_")]
    assert set(names) == set(reference)
    for name in names:
        compare(name, frechet(moments_of(arrays[f"features_{name}"]), reference[name]))
    case.unchecked(*names, *(f"features_{name}" for name in names))
