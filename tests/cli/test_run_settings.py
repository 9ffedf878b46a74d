"""Precedence, one rule for everything: command line, project, person, board, default."""

from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from harness import plugins
from harness.cli import run_settings as module
from harness.cli.arguments import chosen_runs_dir
from harness.cli.run_components import TRACK
from harness.cli.run_settings import run_settings, unused_resources
from harness.errors import Faults, UserError
from harness.interfaces import Resources
from harness.measure import named_components
from harness.plugins import Registry
from harness.run.resources import ResourceLayers
from harness_slurm.settings import SlurmConfig

PLUGINS = {"local": "harness_local", "slurm": "harness_slurm", "track_files": "harness_track_files"}
PROJECT = """\
executor = "slurm"
track = ["csv"]
[executors.slurm]
cluster = "local"
partition = "project"
gpus = 2
"""
PERSONAL = """\
executor = "local"
jobs = 3
device = "cpu"
[executors.slurm]
partition = "personal"
account = "personal"
[resources]
gpus = 8
cpus = 8
"""


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    found = Registry([EntryPoint(name, package, "harness") for name, package in PLUGINS.items()])
    monkeypatch.setattr(plugins, "registry", lambda: found)
    monkeypatch.setattr(named_components, "registry", lambda: found)
    monkeypatch.delenv(TRACK, raising=False)
    monkeypatch.delenv("HARNESS_RUNS", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "harness.toml").write_text(PROJECT)
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "config.toml").write_text(PERSONAL)
    return tmp_path


def test_the_project_goes_before_the_person_key_by_key():
    how = run_settings(None, None, [])
    assert how.executor.name == "slurm"
    assert how.executor.settings == SlurmConfig(cluster="local", partition="project", account="personal", gpus=2)
    assert (how.jobs, how.device, [tracker.name for tracker in how.trackers]) == (3, "cpu", ["csv"])
    assert ResourceLayers(how.resources).of_floor() == Resources(gpus=2, cpus=8)


def test_the_command_line_goes_before_both(monkeypatch):
    monkeypatch.setenv(TRACK, "jsonl")
    how = run_settings(None, None, ["slurm.partition=mine", "slurm.gpus=1"], jobs=1, resources=["cpus=2"])
    assert how.executor.settings == SlurmConfig(cluster="local", partition="mine", account="personal", gpus=1)
    assert how.jobs == 1
    assert [tracker.name for tracker in how.trackers] == ["jsonl"]  # a variable is set for one shell
    assert ResourceLayers(how.resources).of_floor() == Resources(gpus=1, cpus=2)
    assert run_settings("local", "", []).executor.name == "local"


def test_without_a_word_a_queue_takes_all_jobs_at_once_and_a_machine_as_many_as_it_has_cores(files):
    (files / "harness" / "config.toml").unlink()
    assert run_settings(None, None, []).jobs == module.ALL_AT_ONCE
    assert run_settings("local", None, [], device="cpu").jobs < module.ALL_AT_ONCE


def test_a_card_that_the_machines_of_the_cluster_have_need_not_be_here(monkeypatch):
    assert run_settings(None, None, [], device="cuda:7").device == "cuda:7"
    with pytest.raises(UserError, match="--device gpu: there are"):
        run_settings(None, None, [], device="gpu")


def test_a_wrong_device_in_a_file_is_said_with_the_file(files):
    file = files / "harness" / "config.toml"
    file.write_text('device = "gpu"\n')
    with pytest.raises(UserError) as found:
        run_settings("local", None, [])
    assert str(found.value) == f"--device gpu: there are auto, cpu, cuda and cuda:N; {file} says `device = gpu`"
    with pytest.raises(UserError, match=r"--device tpu: there are auto, cpu, cuda and cuda:N$"):
        run_settings("local", None, [], device="tpu")


def test_a_job_in_a_queue_asks_for_as_many_cards_as_it_computes_on():
    on_four = run_settings("slurm", None, [], device="auto", devices=4)
    said = run_settings("slurm", None, [], device="auto", devices=4, resources=["gpus=8"])
    assert [ResourceLayers(how.resources).of_floor().gpus for how in (on_four, said)] == [4, 8]
    assert ResourceLayers(run_settings("slurm", None, [], device="cpu", devices=4).resources).of_floor().gpus == 2  # the file's


@pytest.fixture
def _has_slurm(monkeypatch):
    monkeypatch.setattr("harness_slurm.settings.shutil.which", lambda command: f"/usr/bin/{command}")


@pytest.mark.usefixtures("_has_slurm")
def test_files_say_on_how_many_devices_a_cell_runs(files):
    (files / "harness.toml").write_text("devices = 3\n")
    with (files / "harness" / "config.toml").open("r+") as file:
        text = file.read()
        file.seek(0)
        file.write("devices = 2\n" + text)
    assert run_settings("local", None, []).devices == 3  # the project before the person
    assert run_settings("local", None, [], devices=1).devices == 1
    assert run_settings("slurm", None, []).devices == 3  # the person's device is the CPU, where no card is asked for
    assert run_settings(None, None, []).remarks[0].endswith("harness.toml: devices = 3")


@pytest.mark.usefixtures("_has_slurm")
def test_in_a_queue_the_devices_of_a_file_are_cards_that_methods_may_replace(files):
    (files / "harness" / "config.toml").unlink()
    (files / "harness.toml").write_text("devices = 2\n[resources.methods.ddo]\ngpus = 4\n")
    how = run_settings("slurm", None, [])
    layers = ResourceLayers(how.resources)
    assert (how.devices, layers.of_floor().gpus, layers.of_cell("edm", "ddo").gpus) == (None, 2, 4)
    on_one = run_settings("slurm", None, [], devices=1)
    assert (on_one.devices, ResourceLayers(on_one.resources).of_floor().gpus) == (1, 2)


def test_a_run_says_which_file_a_setting_came_from(files):
    project, personal = run_settings(None, None, ["slurm.partition=mine"]).remarks
    assert project == (
        f"{files}/harness.toml: executor = slurm; track = csv; slurm.cluster = local; slurm.partition = project; slurm.gpus = 2"
    )
    assert personal.startswith(f"{files}/harness/config.toml: jobs = 3; device = cpu; slurm.")


def test_a_wrong_setting_of_the_executor_names_its_file(files):
    (files / "harness.toml").write_text(PROJECT.replace("partition", "partitoin"))
    with pytest.raises(Faults, match=r"harness.toml: \[executors.slurm\]: .*partitoin.*did you mean 'partition'"):
        run_settings(None, None, [])
    (files / "harness.toml").write_text('executor = "slrum"')
    with pytest.raises(UserError, match=r"harness.toml: executor: no executor is called 'slrum'; did you mean 'slurm'"):
        run_settings(None, None, [])


CONTEXT = typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)))


def test_the_runs_folder_of_the_files_holds_where_nobody_else_says_one(files, monkeypatch):
    assert chosen_runs_dir(CONTEXT, None) is None
    (files / "harness.toml").write_text('runs_dir = "shared"')
    assert chosen_runs_dir(CONTEXT, None) == files / "shared"
    assert chosen_runs_dir(CONTEXT, files / "mine") == files / "mine"
    monkeypatch.setenv("HARNESS_RUNS", "elsewhere")
    assert chosen_runs_dir(CONTEXT, None) is None


def test_settings_of_an_executor_that_is_not_installed_are_named(files):
    (files / "harness.toml").write_text('[executors.slrum]\npartition = "gpu"\n')
    remark = run_settings("local", None, []).remarks[-1]
    assert remark == (
        f"{files}/harness.toml: [executors.slrum]: no executor is called 'slrum'; did you mean 'slurm'? "
        "installed: local, slurm; what stands there has no effect"
    )


def test_resources_of_a_method_or_base_that_the_board_lacks_are_named(files):
    rows = [SimpleNamespace(method_name=name, base=SimpleNamespace(name="ddpm-10")) for name in ("none", "ddo[beta=1]")]
    board: Any = SimpleNamespace(cells=[SimpleNamespace(row=row) for row in rows])
    (files / "harness.toml").write_text(
        "[resources.methods.ddp]\ngpus = 4\n[resources.methods.ddo]\ngpus = 4\n[resources.methods.'*']\ngpus = 1\n"
        "[resources.bases.'nix-*']\ncpus = 1\n[resources.bases.'ddpm*']\ncpus = 1\n"
    )
    first, second = unused_resources(board)
    assert first.startswith(f"{files}/harness.toml: [resources.methods.ddp]: no method is called 'ddp'; did you mean 'ddo'?")
    assert second.startswith(f"{files}/harness.toml: [resources.bases.nix-*]: no base is called 'nix-*'; the board has: ")
    assert second.endswith("; what stands there has no effect on it")
