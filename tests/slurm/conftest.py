"""The cluster that the tests of this folder share."""

import shutil
import tempfile

import pytest
from cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster():
    """A real SLURM cluster; a test that kills a part of it starts the part again."""
    if absent := missing():
        pytest.skip(f"not installed: {', '.join(absent)} (Debian's packages munge and slurm-wlm)")
    # Short, and on a local disk: the path of a Unix socket has 107 characters at most.
    started = Cluster(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    try:
        started.start()
        yield started
    finally:
        started.stop()
        shutil.rmtree(started.folder, ignore_errors=True)
