"""Write the HTML report: Snakemake itself, asked for the report of all tables and figures."""

import subprocess
import sys
from typing import TYPE_CHECKING

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakemake.params.snakefile]
    command += ["--configfile", snakemake.input.config[0], "--nolock", "--cores", "1"]
    command += ["--report", snakemake.output[0], "tables", "figures"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr, file=sys.stderr)
    if done.returncode:
        raise InputError("snakemake --report failed; its messages stand above.")
