"""Presets: what they fill, and what they leave to the checks of a settings' class."""

import subprocess
import sys

import pytest

from harness.toolkit.named_settings import filled

PRESETS = {"small": {"width": 8, "depth": 2}, "large": {"width": 64, "depth": 24}}


def test_a_preset_fills_what_the_user_does_not_say():
    assert filled({"preset": "large", "depth": 3}, PRESETS) == {"preset": "large", "width": 64, "depth": 3}


def test_a_value_that_is_given_wins_even_where_it_is_none_or_false():
    assert filled({"preset": "small", "width": None, "depth": 0}, PRESETS) == {"preset": "small", "width": None, "depth": 0}


@pytest.mark.parametrize("settings", [{}, {"preset": None}, {"preset": "huge"}, {"preset": 7}, {"width": 1}])
def test_no_preset_or_an_unknown_one_adds_nothing(settings):
    assert filled(settings, PRESETS) == settings


@pytest.mark.parametrize("settings", [None, 5, "small", ["small"]])
def test_what_is_no_mapping_is_left_to_the_class(settings):
    assert filled(settings, PRESETS) is settings


def test_neither_the_preset_nor_the_settings_change():
    settings = {"preset": "small", "width": 1}
    filled(settings, PRESETS)["depth"] = 99
    assert settings == {"preset": "small", "width": 1}
    assert PRESETS["small"] == {"width": 8, "depth": 2}


def test_modules_of_settings_and_checks_import_no_torch():
    modules = "harness.toolkit.named_settings, harness.toolkit.token_images, harness.toolkit.torch_hub"
    checks = "harness_var.check, harness_maskgit.check, harness_sft_pg.choice, harness_image_metrics.limits, harness_mnist.files"
    code = f"import sys, {modules}, {checks}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
