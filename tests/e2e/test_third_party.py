"""Plugins of other distributions: found beside the harness, run by name, and harmless when they are broken."""

import json
import subprocess
import sys

import pytest

PROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "harness-shrink"
version = "0.1"

[project.entry-points.harness]
shrink = "harness_shrink"

[tool.setuptools]
py-modules = ["harness_shrink", "harness_shrink_method"]
"""
PLUGIN = '''\
"""Weights a little smaller at each step."""
from harness import Config, Method, hookimpl
from pydantic import Field

__version__ = "1"


class ShrinkConfig(Config):
    rate: float = Field(1e-4, gt=0, lt=1, description="share of each weight that goes at a step")


@hookimpl
def harness_methods():
    return [Method("shrink", build="harness_shrink_method:Shrink", summary="weight decay, alone", config=ShrinkConfig)]
'''
METHOD = """\
import torch
from harness.training.method import FinetuneMethod


class Shrink(FinetuneMethod):
    def step(self, batch, generator, index):
        with torch.no_grad():
            for parameter in self.task.model.parameters():
                parameter.mul_(1 - self.config.rate)
        return {}
"""

BAD = """\
import os

import torch

from harness import Method, hookimpl
from harness.training.method import FinetuneMethod

__version__ = "1"


@hookimpl
def harness_methods():
    names = {"nan": "NaN", "raises": "Raises", "exits": "Exits", "dies": "Dies", "no-file": "NoFile"}
    return [Method(name, build=f"bad:{target}", summary="") for name, target in names.items()]


class NaN(FinetuneMethod):
    def step(self, batch, generator, index):
        return {"loss": torch.tensor(float("nan") if index > 50 else 1.0)}


class Raises(FinetuneMethod):
    def step(self, batch, generator, index):
        if os.environ.get("MENDED"):
            return {}
        raise ZeroDivisionError("the method's own fault")


class Exits(FinetuneMethod):
    def step(self, batch, generator, index):
        raise SystemExit(3)


class Dies(FinetuneMethod):
    def step(self, batch, generator, index):
        os._exit(1)


class NoFile(FinetuneMethod):
    def step(self, batch, generator, index):
        open("/there/is/no/such/file")
"""
ONE_SEED = ("seeds: [0, 1]", "seeds: [0]")


def states(command):
    shown = command.call("status", str(command.board), "--runs-dir", str(command.runs), "--json")
    assert shown.returncode == 0, shown.stderr
    return {cell["cell"]: cell["state"] for cell in json.loads(shown.stdout)["cells"]}


@pytest.fixture
def shrink(finished, tmp_path):
    """The distribution, installed by pip into a folder on the path; the finished board names its method too."""
    pytest.importorskip("setuptools")
    project, site = tmp_path / "shrink", tmp_path / "site"
    project.mkdir()
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "harness_shrink.py").write_text(PLUGIN)
    (project / "harness_shrink_method.py").write_text(METHOD)
    offline = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    pip = [sys.executable, "-m", "pip", "install", *offline, "--target", str(site), str(project)]
    subprocess.run(pip, check=True, capture_output=True)
    finished.put_on_path(site)
    return finished


def test_a_method_of_another_distribution_runs_on_an_existing_board(shrink, tiny_board, tmp_path):
    listed = shrink.call("list", "methods")
    assert listed.returncode == 0, listed.stderr
    assert any(line.startswith("shrink ") for line in listed.stdout.splitlines())

    before = shrink.files("records/*/*.json")
    shrink.write_board(tiny_board.replace("methods:\n", "methods:\n  shrink: {method: {name: shrink, rate: 1.0e-5}}\n"))
    ended = shrink.run()
    assert ended.returncode == 0, ended.stderr
    assert "| shrink" in ended.stdout.replace("*", "")
    record = shrink.record("small/shrink/s0")
    assert (record["status"], record["finetuning"]["settings"]) == ("done", {"rate": 1e-05})
    assert record["weights_sha256"] != record["base_weights_sha256"]
    after = shrink.files("records/*/*.json")
    assert {name: after[name] for name in before} == before

    # Another version of the plugin: its old records are stale, those of the others are not.
    module = tmp_path / "site" / "harness_shrink.py"
    module.write_text(module.read_text().replace('__version__ = "1"', '__version__ = "2"'))
    found = states(shrink)
    assert {cell for cell, state in found.items() if state == "to run"} == {"small/shrink/s0", "small/shrink/s1"}
    assert set(found.values()) == {"to run", "done"}


def test_an_edit_of_an_installed_method_is_asked_about_made_anew_and_not_published_unseen(shrink, tiny_board, tmp_path):
    only = ("methods:\n", "methods:\n  shrink: {method: {name: shrink, rate: 1.0e-3}}\n")
    shrink.write_board(tiny_board.replace(*only))
    assert shrink.run().returncode == 0
    before = shrink.record("small/shrink/s0")
    (made_by,) = [each for each in before["sources"] if each["component"] == "method shrink"]
    assert (made_by["distribution"], made_by["version"], made_by["commit"]) == ("harness-shrink", "0.1", "")

    # The author halves the rate and forgets to raise the version.
    method = tmp_path / "site" / "harness_shrink_method.py"
    method.write_text(method.read_text().replace("1 - self.config.rate", "1 - self.config.rate / 2"))
    board, where = str(shrink.board), ["--runs-dir", str(shrink.runs)]
    for command in (["status", board], ["run", board, "--dry-run"]):
        asked = shrink.call(*command, *where)
        (question, advice) = [line for line in asked.stdout.splitlines() if line.startswith("stale?")]
        assert question.startswith("stale? method shrink changed since these records were made (source ")
        assert question.endswith(": small/shrink/s0, small/shrink/s1")
        assert f"harness run {board} --fresh method=shrink" in advice
    refused = shrink.call("publish", board, *where)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "method shrink was edited after these records were made: small/shrink/s0, small/shrink/s1" in refused.stderr

    # One seed is made anew: the table now holds two versions of the method, and says so.
    ended = shrink.run("--fresh", "method=shrink,seed=0")
    assert ended.returncode == 0, ended.stderr
    assert [line.split("]")[1].split(":")[0] for line in ended.stderr.splitlines() if line.startswith("[")] == [
        " base small", " small/shrink/s0",
    ]  # fmt: skip
    after = shrink.record("small/shrink/s0")
    assert after["key"] == before["key"]
    assert after["weights_sha256"] != before["weights_sha256"]
    refused = shrink.call("publish", board, *where)
    assert refused.returncode == 2
    assert "method shrink in several versions: source " in refused.stderr
    published = shrink.call("publish", board, *where, "--allow-mixed")
    assert published.returncode == 0, published.stderr
    assert "the code of method shrink was edited between records: source " in (shrink.board / "README.md").read_text()

    # Both are made anew, and the board is whole again.
    assert shrink.run("--fresh", "method=shrink").returncode == 0
    assert "stale?" not in shrink.call("status", board, *where).stdout
    assert shrink.call("publish", board, *where).returncode == 0
    assert "was edited between records" not in (shrink.board / "README.md").read_text()


def test_a_broken_plugin_is_listed_and_the_rest_works(finished, plugin):
    plugin(finished, "broken", "import there_is_no_such_module\n")
    listed = finished.call("list")
    assert listed.returncode == 0, listed.stderr
    everything = listed.stdout + listed.stderr
    (line,) = [line for line in everything.splitlines() if "there_is_no_such_module" in line]
    assert "broken" in line
    assert "sft-pg" in listed.stdout
    assert set(states(finished).values()) == {"done"}


def test_faults_of_plugins_end_their_own_cells_only(finished, plugin, tiny_board):
    plugin(finished, "bad", BAD)
    bad = "".join(f"  {name}:\n" for name in ("nan", "raises", "exits", "dies", "no-file"))
    # A method that was not there before stands behind the bad ones: it must be reached.
    last = "  last: {method: {name: mle, optimizer: {lr: 1.0e-5}}}\n"
    finished.write_board(tiny_board.replace(*ONE_SEED).replace("seeds:", bad + last + "seeds:"))
    ended = finished.run()
    assert ended.returncode == 1, ended.stderr
    assert finished.record("small/last/s0")["status"] == "done"

    nan = finished.record("small/nan/s0")
    assert nan["status"] == "diverged"
    assert "loss is nan" in nan["reason"]
    reasons = {name: finished.record(f"small/{name}/s0") for name in ("raises", "exits", "dies", "no-file")}
    assert {record["status"] for record in reasons.values()} == {"failed"}
    assert "ZeroDivisionError: the method's own fault" in reasons["raises"]["reason"]
    assert "SystemExit" in reasons["exits"]["reason"]
    assert "process died" in reasons["dies"]["reason"]
    assert "/there/is/no/such/file" in reasons["no-file"]["reason"]
    for name in ("raises", "exits", "no-file"):
        traceback = reasons[name]["reason"].split("traceback: ")[1].rstrip(")")
        assert traceback.startswith(str(finished.runs))
        with open(traceback) as file:
            assert "Traceback (most recent call last)" in file.read()
    for name in ("nan", "raises", "exits", "dies", "no-file"):
        assert f"small/{name}/s0" in ended.stderr
    assert "diverged" in ended.stdout
    assert "failed" in ended.stdout

    # What failed is tried again; what diverged is not. A board on which nothing failed ends with 0.
    finished.environment["MENDED"] = "1"
    ended = finished.run("--only", "method=raises,nan,last")
    assert ended.returncode == 0, ended.stderr
    jobs = [line.split()[1] for line in ended.stderr.splitlines() if line.startswith("[")]
    assert jobs == ["base", "small/raises/s0:"]
    assert finished.record("small/raises/s0")["status"] == "done"
