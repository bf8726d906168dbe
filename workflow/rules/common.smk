"""The typed config and the functions that rules share. No rules here."""

import math
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


def keep_caches_in_the_working_folder():
    """Hub, torch and matplotlib keep gigabytes, and a cluster's home folders are small.

    What the user has set stays, and so does a login to the hub.
    """
    chosen = dict(os.environ)
    cache = chosen.get("XDG_CACHE_HOME", os.path.abspath(".cache"))
    usual = chosen.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
    login = chosen.get("HF_HOME", os.path.join(usual, "huggingface"))
    folders = {
        "XDG_CACHE_HOME": cache,
        "HF_HOME": os.path.join(cache, "huggingface"),
        "HF_TOKEN_PATH": os.path.join(login, "token"),
        "TORCH_HOME": os.path.join(cache, "torch"),
        "MPLCONFIGDIR": os.path.join(cache, "matplotlib"),
    }
    os.environ.update(folders | chosen)


keep_caches_in_the_working_folder()

from nicheclip.runtime.code_digest import code_digest
from nicheclip.terms import SPLITS
from nicheclip.config.workflow import parse_config
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import expand_path
from nicheclip.reporting.scale import marked
from nicheclip.taxonomy.provider_files import provider_files

try:
    CONFIG = parse_config(
        config, [*workflow.configfiles, *workflow.overwrite_configfiles]
    )
except InputError as error:
    raise WorkflowError(str(error)) from None


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
    try:
        return str(expand_path(path))
    except InputError as error:
        raise WorkflowError(f"config: {error}") from None


def memory(base_mb, per_input_mb=0.0):
    """Memory from the input's size; a retry asks for more."""

    def of_attempt(wildcards, input, attempt):
        return int((base_mb + per_input_mb * input.size_mb) * 2 ** (attempt - 1))

    return of_attempt


def minutes(base, per_input_mb=0.0):
    """Time from the input's size; a retry asks for more."""

    def of_attempt(wildcards, input, attempt):
        return math.ceil((base + per_input_mb * input.size_mb) * 2 ** (attempt - 1))

    return of_attempt
