"""A job whose driver was killed: beside it, and as a SLURM job, which has other ancestors."""

import os
import signal
import subprocess
import sys
import time

JOB = """
import sys, time
from pathlib import Path
from nicheclip.runtime import driver_watch
from nicheclip.runtime.job import job
driver_watch.SECONDS_BETWEEN_LOOKS = 0.05
folder = Path(sys.argv[1])
try:
    with job(folder / "job.log"):
        (folder / "works").touch()
        time.sleep(0.8)
        (folder / "done").touch()
finally:
    (folder / "cleaned").touch()
"""
DRIVER = """
import os, subprocess, sys, time
from nicheclip.runtime import driver_watch
driver_watch.announce()
subprocess.Popen([sys.executable, "-c", *sys.argv[2:]], start_new_session=True)
if sys.argv[1] == "slurm":
    os._exit(0)
time.sleep(60)
"""


def appears(file, seconds=10.0):
    end = time.monotonic() + seconds
    while not file.exists():
        assert time.monotonic() < end, f"no {file.name}"
        time.sleep(0.01)


def killed_driver(folder, kind):
    """Start a driver, wait until its job works, and kill the driver."""
    command = [sys.executable, "-c", DRIVER, kind, JOB, str(folder)]
    driver = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    appears(folder / "works")
    driver.send_signal(signal.SIGKILL)
    driver.wait()


def test_a_job_beside_a_killed_driver_stops_and_cleans_up(tmp_path):
    killed_driver(tmp_path, "local")
    appears(tmp_path / "cleaned")
    assert not (tmp_path / "done").exists()
    assert "its driver was killed; stopping" in (tmp_path / "job.log").read_text()


def test_a_job_that_is_no_child_of_the_driver_goes_on(tmp_path):
    killed_driver(tmp_path, "slurm")
    appears(tmp_path / "done")
