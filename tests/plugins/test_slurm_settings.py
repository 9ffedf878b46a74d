"""Settings of the executor `slurm`, and the batch script that submitit makes of them."""

import pytest
from submitit.slurm.slurm import _make_sbatch_string

import harness_slurm
from harness.errors import UserError
from harness.interfaces import Resources
from harness.testing.configs import check_top_module_is_light
from harness_slurm.settings import SlurmConfig, check_ready, local_parameters, slurm_parameters

NOTHING = Resources()


def script(resources=NOTHING, **settings):
    parameters = slurm_parameters(SlurmConfig(**settings), resources, job_name="harness-1", comment="token")
    return _make_sbatch_string("python", "/shared/runs", map_count=3, **parameters).splitlines()


def test_the_plugin_costs_no_torch_and_no_submitit():
    check_top_module_is_light("harness_slurm")


def test_a_job_asks_for_what_the_settings_say():
    lines = script(partition="gpu", account="lab", qos="long", gpus=2, cpus=8, memory_gib=30.5, hours=1.5, array_parallelism=2)
    expected = {
        "partition=gpu", "account=lab", "qos=long", "gpus-per-node=2", "cpus-per-task=8", "mem=31232M", "time=90", "array=0-2%2",
        "job-name=harness-1", "comment=token", "signal=USR2@120", "requeue",
    }  # fmt: skip
    assert {f"#SBATCH --{line}" for line in expected} <= set(lines)


def test_what_nobody_says_is_left_to_the_cluster_but_the_time():
    lines = script()
    assert not [line for line in lines if "gpus" in line or "mem=" in line or "partition" in line or "account" in line]
    assert "#SBATCH --time=240" in lines


def test_what_a_job_asks_for_goes_before_the_settings_and_zero_cards_are_none():
    lines = script(Resources(gpus=0, hours=0.001), gpus=4, cpus=2)
    assert not [line for line in lines if "gpus" in line]
    assert "#SBATCH --time=1" in lines  # a whole minute is Slurm's least
    assert "#SBATCH --signal=USR2@15" in lines
    assert "#SBATCH --cpus-per-task=2" in lines


def test_lines_of_setup_come_before_python_and_set_the_threads_of_this_command(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    lines = script(setup=["module load cuda"])
    assert lines.index("export OMP_NUM_THREADS=${OMP_NUM_THREADS:-3}") < lines.index("module load cuda")
    assert lines.index("module load cuda") < next(index for index, line in enumerate(lines) if line.startswith("srun "))


def test_a_container_and_further_arguments_go_to_srun():
    settings = {"container": "repo#image:1", "container_mounts": ["/data", "/home"], "srun": ["--cpu-bind=none"]}
    (line,) = [line for line in script(**settings) if line.startswith("srun ")]
    assert "'--container-image=repo#image:1' --container-mounts=/data,/home --cpu-bind=none python" in line


def test_further_options_of_sbatch_are_written_as_they_are():
    lines = script(extra={"constraint": "a100", "exclusive": True, "nice": 10})
    assert {"#SBATCH --constraint=a100", "#SBATCH --exclusive", "#SBATCH --nice=10", "#SBATCH --requeue"} <= set(lines)


def test_the_processes_of_this_machine_have_a_time_limit_alone():
    parameters = local_parameters(SlurmConfig(cluster="local", setup=["true"], save_seconds=20), Resources(gpus=1, hours=2.0))
    assert parameters == {"timeout_min": 120, "signal_delay_s": 20}


def test_a_machine_without_slurm_is_told_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (component,) = harness_slurm.harness_executors()
    with pytest.raises(UserError, match=r"^executor slurm: no sbatch on this machine; run the command on a login node"):
        component.check_readiness(SlurmConfig())
    check_ready(SlurmConfig(cluster="local"))
