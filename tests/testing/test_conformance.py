"""`pytest --pyargs harness.testing.conformance` makes a test of each component, with its outcome and the reason."""

import os
import subprocess
import sys

from misbehaving import METRICS, put_plugin


def test_components_pass_fail_and_are_skipped_under_pytest_as_under_the_command(tmp_path):
    put_plugin(tmp_path, "odd", METRICS)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    names = "metric:good or metric:dies or metric:absent or broken"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-rA",
        "-p",
        "no:cacheprovider",
        "--pyargs",
        "harness.testing.conformance",
        "-k",
        names,
    ]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "2 passed, 1 skipped" in ended.stdout
    assert "its process ended with exit code 3" in ended.stdout
    assert "metric absent: its file is not here; get it" in ended.stdout
