"""Every installed dataset is the same everywhere, and keeps its evaluation sets apart, or says which files it lacks."""

import json
import math
import subprocess
import sys

import pytest

from harness import Dataset, UserError
from harness.plugins import registry
from harness.testing.checks import run_all
from harness.testing.datasets import EVALUATION, check_other_processes_agree, data_hash, dataset_checks

NAMES = registry().names("dataset")
LARGE, FEW = 2**16, 8
"""Values of an example above which FEW examples must do in each evaluation set: 64 of 512×512 pixels take seconds to hash."""


def hash_of(name):
    """The hash of a dataset in the settings of smoke runs; None where its files are absent."""
    component = registry().get(Dataset, name, where="test")
    config = component.config.model_validate(component.smoke)
    try:
        component.check_readiness(config)
    except UserError:
        return None
    source = component.create(config)
    n = examples_of(source)
    return data_hash(source, min(n, source.largest_evaluation or n))


def examples_of(source):
    return FEW if math.prod(source.spec.shape) > LARGE else EVALUATION


@pytest.mark.parametrize("name", NAMES)
def test_a_dataset_repeats_and_keeps_its_sets_apart(name):
    component = registry().get(Dataset, name, where="test")
    try:
        component.check_readiness(component.config.model_validate(component.smoke))
    except UserError as error:
        message = str(error)
        if name in message and ("install" in message or "http" in message):
            pytest.skip(f"its files are not on this machine: {message}")
        raise
    n = examples_of(component.create(component.config.model_validate(component.smoke)))
    # Another process has a test of its own: it imports torch once for all datasets.
    run_all(check for check in dataset_checks(component, n=n) if getattr(check, "func", None) is not check_other_processes_agree)


def test_another_process_gives_the_same_data_of_every_dataset():
    names = f"{{name: hash_of(name) for name in {NAMES!r}}}"
    code = f"import json, runpy\nhash_of = runpy.run_path({__file__!r})['hash_of']\nprint(json.dumps({names}))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == {name: hash_of(name) for name in NAMES}
