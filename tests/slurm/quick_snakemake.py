"""Snakemake's command line with a status query every second.

The SLURM plugin waits longer after each query that finds nothing finished, up to three minutes.
"""

import asyncio
import signal
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def a_second(executor):
    await asyncio.sleep(1)


RemoteExecutor.sleep = a_second
# What a shell starts in the background ignores Ctrl-C, and so does all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(sys.argv[1:]))
