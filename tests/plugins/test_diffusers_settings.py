"""Settings of the plugin for diffusers: what contradicts itself, and what the library's network is built with."""

import inspect

import pydantic
import pytest

from harness.toolkit.chains import ImageChainConfig
from harness_diffusers import ChainSolverConfig, DenoisingSolverConfig, UNet2DConfig, harness_models, harness_samplers


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"block_out_channels": (8,)}, "must have one entry for each level"),
        ({"block_out_channels": (8, 18)}, r"18 is not a multiple of norm_num_groups \(4\)"),
        ({"block_out_channels": (9, 18), "norm_num_groups": 3}, "begins with 9, and the time's features need an even number"),
        ({"schedule": "cosine"}, "needs the linear schedule"),
        ({"down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D")}, "down_block_types"),
        ({"mid_block_type": "UNetMidBlock2DCrossAttn"}, "mid_block_type"),
    ],
)
def test_settings_that_contradict_each_other_are_faults(settings, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        UNet2DConfig(**settings)


def test_the_library_is_given_its_own_settings_and_not_those_of_the_chain():
    network = UNet2DConfig(block_out_channels=(8, 8), steps=50).network
    assert network["block_out_channels"] == (8, 8)
    assert not set(network) & set(ImageChainConfig.model_fields)
    assert not {"in_channels", "out_channels", "sample_size"} & set(network)


def test_every_setting_of_the_network_is_an_argument_of_the_library():
    diffusers = pytest.importorskip("diffusers")
    arguments = inspect.signature(diffusers.UNet2DModel.__init__).parameters
    assert set(UNet2DConfig().network) <= set(arguments)


def test_defaults_are_the_librarys_except_for_sizes():
    diffusers = pytest.importorskip("diffusers")
    arguments = inspect.signature(diffusers.UNet2DModel.__init__).parameters
    sizes = {"block_out_channels", "down_block_types", "up_block_types", "layers_per_block", "norm_num_groups"}
    differing = {name for name, value in UNet2DConfig().network.items() if arguments[name].default != value}
    assert differing <= sizes


@pytest.mark.parametrize("settings", [{"order": 4}, {"solver_type": "rk4"}, {"last": "noise"}], ids=str)
def test_a_solver_has_the_orders_and_ends_that_the_library_has(settings):
    for config in (DenoisingSolverConfig, ChainSolverConfig):
        with pytest.raises(pydantic.ValidationError, match=next(iter(settings))):
            config(**settings)


def test_the_plugin_provides_one_model_and_two_solvers_that_need_the_package():
    (model,) = harness_models()
    assert model.name == "diffusers-unet"
    needs = {sampler.name: set(sampler.needs) for sampler in harness_samplers()}
    assert needs == {"dpm-solver++": {"Denoises"}, "dpm-solver++-chain": {"NoiseChain"}}
    assert all(set(component.packages) == {"diffusers"} for component in (model, *harness_samplers()))


def test_what_the_solver_does_not_use_is_unused():
    assert DenoisingSolverConfig().unused == frozenset()
    assert DenoisingSolverConfig(levels="exponential", order=1).unused == {"rho", "solver_type", "lower_order_final"}
    assert ImageChainConfig(sampling_steps=None, schedule="cosine").unused == {
        "beta_start",
        "beta_end",
        "kappa",
        "sampling_schedule",
    }
    assert ImageChainConfig().unused == frozenset()
