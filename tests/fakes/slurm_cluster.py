"""A real Slurm cluster of one machine, without systemd and without accounting: munged, slurmctld, and a slurmd for each node.

Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge. Everything that it writes stands in
the given folder, but munge's key and socket; its ports are free ones. All its processes are children of this one and end with it.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

import psutil

COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={munge}/socket,cred_expire=5
CredType=cred/munge
SlurmctldPort={controller}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=10
MinJobAge=7200
KillWait=20
SchedulerParameters=sched_interval=2,batch_sched_delay=0,bf_interval=2
EnforcePartLimits=ALL
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=1-0 State=UP OverSubscribe=NO
PartitionName=closed Nodes=ALL State=UP AllowGroups=nobody-has-this-group
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=4000 State=UNKNOWN"
WAIT_SECONDS = 60


def absent():
    """Return why no cluster can be started here, in words; "" where one can."""
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    missing = [command for command in COMMANDS if shutil.which(command) is None]
    if missing:
        return f"no {missing[0]} here: apt-get install slurmctld slurmd slurm-client munge"
    if os.getuid() != 0:
        return "slurmd starts jobs as root here, and this user is another"
    return ""


class SlurmCluster:
    """A cluster that runs.

    Args:
        nodes: names of the nodes; each has some cores of its own to give.
    """

    def __init__(self, folder, nodes=("node1", "node2"), cpus=2):
        self.folder, self.nodes = Path(folder), nodes
        self.munge = Path(mkdtemp(prefix="munge-"))  # another user's processes must reach it, and its socket has a short path
        self.host = socket.gethostname().partition(".")[0]
        self._daemons = {}
        ports = free_ports(1 + len(nodes))
        lines = [
            NODE.format(name=name, host=self.host, port=port, cpus=cpus) for name, port in zip(nodes, ports[1:], strict=True)
        ]
        self.configuration = self.folder / "slurm.conf"
        text = CONFIGURATION.format(
            host=self.host, folder=self.folder, munge=self.munge, controller=ports[0], nodes="\n".join(lines)
        )
        self.configuration.write_text(text)

    def start(self):
        (self.folder / "state").mkdir()
        for name in self.nodes:
            (self.folder / f"spool.{name}").mkdir()
        self._start_munge()
        self._start("slurmctld", "slurmctld", "-D", "-f", str(self.configuration))
        for name in self.nodes:
            self.start_node(name)
        wait_until(lambda: self.idle() == set(self.nodes), "all nodes are idle")

    def _start_munge(self):
        user, home = pwd.getpwnam("munge"), self.munge
        (home / "key").write_bytes(os.urandom(128))
        (home / "key").chmod(0o600)
        for path in (home, home / "key"):
            os.chown(path, user.pw_uid, user.pw_gid)
        options = ["--foreground", f"--socket={home}/socket", f"--key-file={home}/key", f"--pid-file={home}/pid"]
        options += [f"--log-file={home}/log", f"--seed-file={home}/seed", "--force", "--num-threads=2"]
        self._start("munged", "munged", *options, user=user.pw_uid, group=user.pw_gid)
        wait_until((home / "socket").exists, "munged answers")

    def start_node(self, name):
        """Let a node come back."""
        self._start(name, "slurmd", "-D", "-N", name, "-f", str(self.configuration))

    def _start(self, name, *command, **options):
        log = (self.folder / f"{name}.out").open("ab")
        self._daemons[name] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **options)
        log.close()

    def kill_node(self, name):
        """Kill a node: its daemon and everything that it runs, as a power failure does."""
        daemon = psutil.Process(self._daemons[name].pid)
        victims = [daemon]
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                environment = process.environ()
                is_of_job = environment.get("SLURMD_NODENAME") == name
                is_of_job &= environment.get("SLURM_CONF") == str(self.configuration)
                is_step_daemon = process.name().startswith("slurmstepd") and process.ppid() == daemon.pid
                if is_of_job or is_step_daemon:
                    victims.append(process)
        for process in victims:
            with suppress(psutil.Error):
                process.kill()
        self._daemons.pop(name).wait()

    def idle(self):
        """Return the names of idle nodes."""
        lines = self.ask("sinfo", "-h", "-N", "-p", "main", "-o", "%N %T").splitlines()
        return {line.split()[0] for line in lines if line.split()[1] == "idle"}

    def jobs(self):
        """Return the state of each job that the cluster knows, by id."""
        return dict(line.split() for line in self.ask("squeue", "-h", "-r", "-t", "all", "-o", "%i %T").splitlines())

    def ask(self, *command):
        """Run a command of Slurm and return what it prints; "" where it fails."""
        environment = {**os.environ, "SLURM_CONF": str(self.configuration)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60).stdout

    def stop(self):
        self.ask("scancel", "--signal=KILL", "--full", *self.jobs())
        self.ask("scancel", *self.jobs())
        for name in (*self.nodes, "slurmctld", "munged"):
            daemon = self._daemons.pop(name, None)
            if daemon is not None:
                daemon.send_signal(signal.SIGTERM)
                try:
                    daemon.wait(30)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
        shutil.rmtree(self.munge, ignore_errors=True)


@contextmanager
def slurm_cluster(folder, **options):
    """Yield a cluster that is ready, with SLURM_CONF set."""
    cluster = SlurmCluster(folder, **options)
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(cluster.configuration)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before


def free_ports(count):
    """Return ports of the loopback that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def wait_until(holds, what, seconds=WAIT_SECONDS):
    """Wait until a condition holds; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.2)
