"""The typed config and the functions that rules share. No rules here."""

import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

REPOSITORY = Path(workflow.current_basedir).parents[1]
# Relative to the working folder: a clone that is moved has nothing to run again.
REGISTRY = Path(os.path.relpath(REPOSITORY / "workflow" / "registry"))
SNAKEFILE = os.path.relpath(workflow.main_snakefile)

# A clone works in every job and every environment without being installed.
LIBRARY = str(REPOSITORY / "src")
sys.path.insert(0, LIBRARY)
inherited = dict(os.environ).get("PYTHONPATH")
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [LIBRARY, inherited])))

from nicheclip.code_digest import code_digest
from nicheclip.config.base import SPLITS
from nicheclip.config.workflow import parse_config
from nicheclip.errors import InputError
from nicheclip.locks import lock

try:
    CONFIG = parse_config(
        config, [*workflow.configfiles, *workflow.overwrite_configfiles]
    )
except InputError as error:
    raise WorkflowError(str(error)) from None


def take_over_from_a_killed_driver():
    """Let the same command work again after `kill -9`.

    Snakemake's lock files outlive their driver, the kernel's lock does not. Only for local runs:
    jobs that a killed driver left on a cluster may still be writing.
    """
    held = lock(".snakemake/driver.lock", wait=False)
    local = workflow.resource_settings.nodes is None
    if held is not None and local:
        for stale in Path(".snakemake/locks").glob("*.lock"):
            stale.unlink(missing_ok=True)
    return held


if workflow.is_main_process:
    DRIVER_LOCK = take_over_from_a_killed_driver()  # held until this process ends


def any_of(names):
    """A pattern that matches each of `names` and nothing else."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    dataset=any_of(CONFIG.datasets),
    captions=any_of(CONFIG.captions),
    model=any_of(CONFIG.models),
    run=any_of(CONFIG.training),
    evaluation=any_of(CONFIG.evaluation),
    split=any_of(SPLITS),
    part=r"\d{5}",
    origin="models|train",
    initial=r"pretrained|seed\d+",
    seed=r"\d+",


def script_path(name):
    return str(REPOSITORY / "scripts" / name)


def code(name):
    """Changes when library code changes that the script `name` reaches."""
    return code_digest(script_path(name))


def settings(model, **exclude):
    """A config section as plain values: what a job's params carry."""
    return model.model_dump(mode="json", **exclude)


def expanded(path):
    """A user's path with `~` and environment variables filled in."""
    full = os.path.expanduser(os.path.expandvars(path))
    if "$" in full:
        raise WorkflowError(
            f"config: {path!r} uses an environment variable that is not set"
        )
    return full


def memory(base_mb, per_input_mb=0.0):
    """Memory from the input's size; a retry asks for more."""

    def of_attempt(wildcards, input, attempt):
        return int((base_mb + per_input_mb * input.size_mb) * 2 ** (attempt - 1))

    return of_attempt


def minutes(base):
    """Time; a retry asks for more."""

    def of_attempt(wildcards, attempt):
        return base * 2 ** (attempt - 1)

    return of_attempt
