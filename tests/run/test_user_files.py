"""The files of a project and of a person: where they are found, and what is said about a wrong one."""

import pytest

from harness.errors import Faults, UserError, faults_of
from harness.interfaces import Resources
from harness.run.user_files import asked_of_executor, parse_resources, user_files

TEXT = """\
executor = "slurm"
jobs = 8
track = "csv, jsonl"
runs_dir = "here/runs"

[executors.slurm]
partition = "gpu"
gpus = 1

[resources]
gpus = 2
cpus = 4

[resources.methods.ddo]
gpus = 4
[resources.bases."edm2-*"]
hours = 12
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a project's file or a person's; the current folder is one below the project's."""
    folder = tmp_path / "project" / "boards"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def write(text, *, personal=False):
        path = tmp_path / "config" / "harness" / "config.toml" if personal else tmp_path / "project" / "harness.toml"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        return path

    return write


def test_without_files_nothing_is_said(write):
    assert user_files() == ()


def test_the_nearest_project_goes_before_the_person(write):
    personal, project = write('device = "cpu"', personal=True), write(TEXT)
    assert [file.path for file in user_files()] == [project, personal]
    config = user_files()[0].config
    assert (config.executor, config.jobs, config.track) == ("slurm", 8, ["csv", "jsonl"])


def test_the_runs_folder_begins_at_the_file(write):
    path = write(TEXT)
    (file,) = user_files()
    assert file.runs_dir == path.parent / "here" / "runs"


def test_settings_of_the_executor_that_are_resources_count_for_every_job(write):
    write(TEXT)
    (file,) = user_files()
    layer = file.layer("slurm")
    assert layer.common == Resources(gpus=1, cpus=4)
    assert file.layer("local").common == Resources(gpus=2, cpus=4)
    assert layer.of_cell("edm2-xs", "ddo") == Resources(gpus=4, cpus=4, hours=12.0)


def test_a_part_of_a_card_stays_a_setting_of_the_executor_that_can_give_it():
    assert asked_of_executor({"gpus": 0.5, "cpus": 2, "address": "auto", "resources": {"x": 1}}) == Resources(cpus=2)


@pytest.mark.parametrize(("line", "message"), [
    ('executer = "slurm"', "2: executer: there is no such key; did you mean 'executor'? there are: executor, "),
    ("jobs = 0", "2: jobs: must be above 0, got 0"),
    ("[resources]\ngpu = 1", "3: resources.gpu: there is no such key; did you mean 'gpus'? there are: gpus, cpus, memory_gib"),
    ("[resources.methods.ddo]\nhours = -1", "3: resources.methods.ddo.hours: must be above 0, got -1"),
    ("[executors]\nslurm = 3", "3: executors.slurm: "),
])  # fmt: skip
def test_a_fault_names_file_line_and_key(write, line, message):
    path = write(f"\n{line}\n")
    with pytest.raises(Faults) as raised:
        user_files()
    (fault,) = faults_of(raised.value)
    assert fault.startswith(f"{path}:{message}")


def test_a_file_that_is_no_toml_says_where(write):
    path = write("jobs = = 3")
    with pytest.raises(UserError, match=r"not a TOML file: .*line 1") as raised:
        user_files()
    assert str(raised.value).startswith(str(path))


def test_resources_of_the_command_line():
    assert parse_resources(["gpus=4,hours=1.5", "cpus=2"], where="--resources") == Resources(gpus=4, cpus=2, hours=1.5)
    with pytest.raises(UserError, match=r"^--resources gpus: write KEY=VALUE"):
        parse_resources(["gpus"], where="--resources")
    with pytest.raises(Faults, match=r"^--resources gpu: there is no such key; did you mean 'gpus'"):
        parse_resources(["gpu=1"], where="--resources")


def test_a_home_folder_that_may_not_be_looked_into_holds_no_file(monkeypatch, tmp_path):
    def refused(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("os.stat", refused)
    assert user_files() == ()
