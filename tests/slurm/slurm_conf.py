"""The configuration files of the test cluster."""

import getpass
import os
import random
import socket
from pathlib import Path

CPU_NODES = ("cpu1", "cpu2")
GPU_NODES = ("gpu1",)
NODES = CPU_NODES + GPU_NODES
#: what a site would write into the profile's partitions.yaml for this cluster
PARTITIONS = {"partitions": {"cpu": {"max_threads": 4, "max_mem_mb": 16000, "max_nodes": 2}}}
CGROUPS = Path("/sys/fs/cgroup")
# Outside the range from which the kernel takes ports for outgoing connections: a daemon that is
# started again finds its port free.
PORTS = range(10000, 32000)

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A job that is requeued waits until its first credential has run out, one second more than this.
AuthInfo=socket={folder}/run/munge.sock,cred_expire=20
CredType=cred/munge
MailProg=/bin/true
MpiDefault=none
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
SlurmdSpoolDir={folder}/spool/%n
StateSaveLocation={folder}/state
{limits}
AccountingStorageType=accounting_storage/none
# squeue shows finished jobs for an hour.
MinJobAge=3600
# Control groups are named by job number: two clusters on one machine must not share numbers.
FirstJobId={first_job}
MaxJobId={last_job}

SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0
# Requests that no node can fulfil are refused when they are made.
EnforcePartLimits=ALL
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmctldTimeout=60
SlurmdTimeout=60
KillWait=30
InactiveLimit=0

GresTypes=gpu
# Each node pretends to more processors and memory than the machine may have.
SlurmdParameters=config_overrides
NodeName=DEFAULT CPUs=4 RealMemory=16000 State=UNKNOWN
{nodes}
PartitionName=DEFAULT DefaultTime=10 MaxTime=1440 DefMemPerCPU=500 State=UP PriorityTier=1
PartitionName=cpu Nodes={cpu_nodes} Default=YES
PartitionName=gpu Nodes={gpu_nodes}
PartitionName=urgent Nodes={cpu_nodes} PriorityTier=10 PreemptMode=OFF
"""

# Kills at the memory limit end in the state OUT_OF_MEMORY.
LIMITS_BY_CGROUP = """\
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/cgroup
JobAcctGatherFrequency=task=1"""

# Memory is looked at every second, and a job above its limit ends FAILED.
LIMITS_BY_POLLING = """\
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill"""

CGROUP_CONF = f"""\
CgroupPlugin=cgroup/v1
CgroupMountpoint={CGROUPS}
ConstrainRAMSpace=yes
ConstrainCores=no
ConstrainDevices=no
"""


def cgroups_writable():
    """Whether SLURM can put jobs into control groups of version 1 here."""
    tasks = [CGROUPS / controller / "tasks" for controller in ("memory", "freezer")]
    return os.geteuid() == 0 and all(os.access(file, os.W_OK) for file in tasks)


def free_ports(n):
    """Ports of 127.0.0.1 that nothing listens on."""
    found = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
        if len(found) == n:
            return found
    raise RuntimeError(f"fewer than {n} free ports in {PORTS}")


def pretended_gpus(folder):
    """Two devices that SLURM takes for GPUs; it wants character devices."""
    devices = folder / "dev"
    devices.mkdir(exist_ok=True)
    for name, device in (("nvidia0", "/dev/null"), ("nvidia1", "/dev/zero")):
        (devices / name).unlink(missing_ok=True)
        (devices / name).symlink_to(device)
    return f"{devices}/nvidia[0-1]"


def write_configuration(folder):
    """Write slurm.conf, gres.conf and, where they work, cgroup.conf into ``folder/etc``."""
    host = socket.gethostname().split(".")[0]
    controller_port, *ports = free_ports(1 + len(NODES))
    gpus = dict.fromkeys(GPU_NODES, " Gres=gpu:h200:2")
    nodes = [
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port}{gpus.get(name, '')}"
        for name, port in zip(NODES, ports, strict=True)
    ]
    first = random.randrange(1, 60000) * 1000
    etc = folder / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "slurm.conf").write_text(
        SLURM_CONF.format(
            host=host,
            user=getpass.getuser(),
            folder=folder,
            controller_port=controller_port,
            limits=LIMITS_BY_CGROUP if cgroups_writable() else LIMITS_BY_POLLING,
            first_job=first,
            last_job=first + 100000,
            nodes="\n".join(nodes),
            cpu_nodes=",".join(CPU_NODES),
            gpu_nodes=",".join(GPU_NODES),
        )
    )
    device = pretended_gpus(folder)
    lines = [f"NodeName={name} Name=gpu Type=h200 File={device}\n" for name in GPU_NODES]
    (etc / "gres.conf").write_text("".join(lines))
    if cgroups_writable():
        (etc / "cgroup.conf").write_text(CGROUP_CONF)
