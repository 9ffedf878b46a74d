"""What a record says of the process that made it."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import harness
from harness.process import environment


def forget_commits():
    environment._commit_of_checkout.cache_clear()
    environment.commit_of.cache_clear()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout with one commit, in which the module is taken to be; returns a function that runs git there."""
    if shutil.which("git") is None:
        pytest.skip("needs git")

    def git(*arguments):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        return subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], capture_output=True, text=True, check=True).stdout

    git("init", "--quiet")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "--quiet", "-m", "first")
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "environment.py"))
    forget_commits()
    yield tmp_path, git
    forget_commits()


def test_the_commit_is_short_and_says_when_files_differ_from_it(checkout):
    folder, git = checkout
    assert environment.commit() == git("rev-parse", "--short=12", "HEAD").strip()
    (folder / "file").write_text("2")
    assert not environment.commit().endswith("+")  # asked once a process
    forget_commits()
    assert environment.commit() == git("rev-parse", "--short=12", "HEAD").strip() + "+"


def test_there_is_no_commit_outside_of_a_checkout_nor_without_git(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.commit() == ""
    monkeypatch.undo()
    monkeypatch.setattr(environment, "__file__", os.path.join(os.sep, "nowhere", "environment.py"))
    forget_commits()
    assert environment.commit() == ""


def test_a_copy_in_site_packages_has_no_commit_though_its_environment_lies_in_a_checkout(checkout):
    folder, _ = checkout
    assert environment.commit_of(folder / "sub" / "package") != ""
    assert environment.commit_of(folder / ".venv" / "lib" / "site-packages" / "package") == ""


def test_a_description_holds_the_versions_that_are_installed_and_fits_a_record():
    import numpy
    import torch

    described = environment.describe("cpu")
    assert json.loads(json.dumps(described)) == described
    assert described["harness_version"] == harness.__version__
    assert described["python"] == ".".join(map(str, sys.version_info[:3]))
    assert torch.__version__.startswith(str(described["torch"]))
    assert "+" not in described["torch"]  # the build, such as +cpu, is told by the device
    assert (described["numpy"], described["device"]) == (numpy.__version__, "cpu")
    assert (described["cores"], described["cpu_threads"]) == (os.cpu_count(), torch.get_num_threads())


@pytest.mark.parametrize("choice", ["default", "avx2"])
def test_a_description_names_the_vector_instructions_that_pytorch_uses_here(choice):
    code = "import json; from harness.process import environment; print(json.dumps(environment.describe('cpu')))"
    chosen = {**os.environ, "ATEN_CPU_CAPABILITY": choice}
    printed = subprocess.run([sys.executable, "-c", code], env=chosen, capture_output=True, text=True, check=True).stdout
    import torch

    has_choice = choice == "default" or torch.backends.cpu.get_cpu_capability() in {"AVX2", "AVX512"}
    if not has_choice:
        pytest.skip(f"this processor has no {choice}")
    assert json.loads(printed)["vector_instructions"] == choice.upper()


def test_a_card_is_described_without_the_instructions_of_the_processor(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "some card")
    described = environment.describe("cuda")
    assert (described["device"], "vector_instructions" in described) == ("some card", False)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_cores_are_those_that_the_process_may_use():
    before = os.sched_getaffinity(0)
    assert environment.cores() == len(before)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert environment.cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_the_module_that_listing_imports_costs_no_torch():
    code = "import sys; from harness.process import environment, devices, peak_memory, worker; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
