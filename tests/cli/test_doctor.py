"""`harness doctor`: what keeps boards from running, and what the user can do about it."""

import builtins
import json
import shutil
import subprocess
from collections import namedtuple
from importlib.metadata import EntryPoint

import psutil
import pytest
import torch

from harness import plugins
from harness.plugins import Registry


@pytest.fixture
def findings(shell):
    """Runs the check; returns the exit code and what was found, by what was looked at."""

    def run(**environment):
        done = shell("doctor", "--json", **environment)
        return done.returncode, {finding["check"]: finding for finding in json.loads(done.stdout)}

    return run


def test_all_is_well_here(findings):
    code, found = findings()
    assert code == 0
    assert all(finding["ok"] for finding in found.values())
    assert list(found) == [
        "python", "torch", "device", "torch threads", "OMP_NUM_THREADS", "cores", "free memory", "runs folder", "plugins",
        "listeners", "git",
    ]  # fmt: skip
    assert found["torch"]["found"] == torch.__version__
    assert "ddo" in found["plugins"]["found"]


def test_a_table_marks_faults(shell, tmp_path):
    (tmp_path / "file").write_text("")
    done = shell("doctor", HARNESS_RUNS=str(tmp_path / "file"))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["check", "found", "advice"]
    (fault,) = [line for line in lines if line.startswith("FAULT")]
    assert fault.startswith("FAULT  runs folder")
    assert fault.endswith("choose another with --runs-dir or HARNESS_RUNS")


def test_a_long_list_of_plugins_goes_on_in_the_next_line(shell, findings):
    names = findings()[1]["plugins"]["found"]
    lines = shell("doctor").stdout.splitlines()
    assert max(map(len, lines)) < 120
    (first,) = [index for index, line in enumerate(lines) if "  plugins" in line]
    told = " ".join(
        line.split("  ")[-1].strip() for line in lines[first : lines.index(next(line for line in lines if " listeners" in line))]
    )
    assert told.split(", ") == names.split(", ")


def test_a_full_disk_is_a_fault(findings, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 10**12, 1_900_000_000))
    code, found = findings()
    assert code == 1
    assert found["runs folder"]["found"].endswith("writable, 1.9 GB free")
    assert (found["runs folder"]["ok"], found["runs folder"]["advice"]) == (False, "free some disk space")


def test_little_memory_is_advice_and_no_fault(findings, monkeypatch):
    memory = namedtuple("memory", "available")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory(900_000_000))
    code, found = findings()
    assert code == 0
    assert found["free memory"] == {
        "check": "free memory", "found": "0.9 GB", "ok": True, "advice": "little memory: run with --jobs 1",
    }  # fmt: skip


def test_a_broken_plugin_is_a_fault_with_its_reason(findings, monkeypatch):
    registry = Registry([EntryPoint("fake", "harness_fake", "harness"), EntryPoint("gone", "harness_gone", "harness")])
    monkeypatch.setattr(plugins, "registry", lambda: registry)
    code, found = findings()
    assert code == 1
    assert found["plugins"]["found"] == "fake"
    assert "harness_gone" in found["plugin gone"]["found"]
    assert found["plugin gone"]["advice"] == "mend or uninstall it"


def test_a_plugin_that_the_user_left_out_is_no_fault(findings, monkeypatch):
    monkeypatch.setenv("HARNESS_DISABLE_PLUGINS", "fake")
    registry = Registry([EntryPoint("fake", "harness_fake", "harness"), EntryPoint("images", "harness_fake_images", "harness")])
    monkeypatch.setattr(plugins, "registry", lambda: registry)
    code, found = findings()
    assert code == 0
    assert found["plugin fake"]["found"] == "left out by HARNESS_DISABLE_PLUGINS"


def test_a_distribution_that_is_installed_twice_is_named_with_its_folders(findings, monkeypatch, tmp_path):
    for folder, version in (("wheel", "0.1"), ("user", "0.2")):
        about = tmp_path / folder / f"harness_shrink-{version}.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: harness-shrink\nVersion: {version}\n")
        (about / "entry_points.txt").write_text("[harness]\nshrink = no_such_module\n")
        (about / "INSTALLER").write_text("pip\n")
        monkeypatch.syspath_prepend(tmp_path / folder)
    code, found = findings()
    finding = found["distribution harness-shrink"]
    assert (finding["ok"], code) == (True, 0)
    assert finding["found"].startswith("installed 2 times: 0.2 in ")
    assert finding["advice"] == "the first hides the others; uninstall all but one"


def test_no_plugin_at_all_is_a_fault(findings, monkeypatch):
    monkeypatch.setattr(plugins, "registry", lambda: Registry([]))
    code, found = findings()
    assert (code, found["plugins"]["found"]) == (1, "none")
    assert "install the harness again" in found["plugins"]["advice"]


def test_without_torch_nothing_else_is_said_of_it(findings, monkeypatch):
    original = builtins.__import__

    def without_torch(name, *arguments):
        if name == "torch":
            raise ImportError("no torch here")
        return original(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    code, found = findings()
    assert code == 1
    assert (found["torch"]["found"], found["torch"]["ok"]) == ("no torch here", False)
    assert "device" not in found


@pytest.mark.parametrize("failure", [FileNotFoundError(), subprocess.TimeoutExpired("git", 10)])
def test_without_git_records_name_no_commit(findings, monkeypatch, failure):
    def missing(*_, **__):
        raise failure

    monkeypatch.setattr(subprocess, "run", missing)
    code, found = findings()
    assert code == 0
    assert (found["git"]["found"], found["git"]["advice"]) == ("not found", "records will not name a commit")


def test_several_threads_are_advice(findings, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    code, found = findings(OMP_NUM_THREADS="4")
    assert code == 0
    assert (found["torch threads"]["found"], found["OMP_NUM_THREADS"]["found"]) == ("4", "4")
    assert found["torch threads"]["advice"] == "cells run with one thread each"
