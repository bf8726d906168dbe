"""The typed config, the plan that is made from it, and what every rule carries. No rules here."""

import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

REPOSITORY = Path(workflow.current_basedir).parents[1]

# A clone works in every job and every environment without being installed.
LIBRARY = str(REPOSITORY / "src")
sys.path.insert(0, LIBRARY)
inherited = dict(os.environ).get("PYTHONPATH")
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [LIBRARY, inherited])))

from nicheclip.config.base import in_order
from nicheclip.config.workflow import check_file, parse_config
from nicheclip.plan.findings import wanted
from nicheclip.plan.given_files import check_files
from nicheclip.plan.plan import Plan
from nicheclip.plan.priorities import Priority
from nicheclip.plan.resources import (
    acquire_memory,
    alignment_memory,
    memory,
    minutes,
    training_memory,
)
from nicheclip.runtime.caches import cache_folders
from nicheclip.runtime.code_digest import code_digest
from nicheclip.runtime.credentials import hide, masked
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.network import go_offline
from nicheclip.slurm.driver import link_profiles
from nicheclip.subjects import (
    BACKBONE_FILES,
    COLOUR_HISTOGRAM,
    MODEL_FILES,
    MODEL_KINDS,
)
from nicheclip.terms import SPLITS

if re.search(r"\{\s*\d", str(Path.cwd())):
    raise WorkflowError(
        f"Snakemake takes braces in the name of a folder for wildcards, and a number is none: "
        f"{Path.cwd()}. Give the folder another name."
    )

os.environ.update(cache_folders(dict(os.environ), Path.cwd(), Path.home()))
SNAKEFILE = Path(workflow.main_snakefile).absolute()

# A --configfile is a whole config of its own, not a patch on the demo's.
CONFIG_FILES = workflow.overwrite_configfiles or ["config.yaml"]

try:
    for file in CONFIG_FILES:
        check_file(file)
except InputError as error:
    raise WorkflowError(masked(str(error))) from None

if not workflow.overwrite_configfiles:

    configfile: CONFIG_FILES[0]


try:
    # Before anything is made of it: params, results and Snakemake's records show no password.
    hide(config)
    CONFIG = parse_config(config, CONFIG_FILES)
    if CONFIG.offline:
        go_offline()
except InputError as error:
    raise WorkflowError(masked(str(error))) from None

# Nothing that is real is overwritten by a rehearsal, nor by that of a config of another name.
if CONFIG.rehearsal:
    if workflow.overwrite_workdir and "rehearsal" not in Path.cwd().parts:
        raise WorkflowError(
            "--directory: a rehearsal could replace real results there. Name a folder below one "
            "that is called rehearsal, or leave --directory out."
        )
    REHEARSED_IN = Path("rehearsal", Path(CONFIG_FILES[-1]).stem)
    # A step of a SLURM job starts where the job's own Snakemake has gone.
    if not workflow.overwrite_workdir and Path.cwd().parts[-2:] != REHEARSED_IN.parts:
        link_profiles(REHEARSED_IN)

        workdir: str(REHEARSED_IN)


if Path("results").exists() and not Path("results").is_dir():
    raise WorkflowError(
        f"{Path.cwd() / 'results'} is a file, and results go into a folder of that name. Move the "
        "file away, or work in another folder."
    )

# Relative to the working folder: a clone that is moved has nothing to run again.
REGISTRY = Path(os.path.relpath(REPOSITORY / "workflow" / "registry"))
SNAKEFILE = os.path.relpath(SNAKEFILE)

try:
    PLAN = Plan(CONFIG, REGISTRY)
    check_files(PLAN)
except InputError as error:
    raise WorkflowError(masked(str(error))) from None


def any_of(names):
    """A pattern that matches each of `names` and nothing else."""
    return "|".join(map(re.escape, names)) or "(?!)"


wildcard_constraints:
    dataset=any_of(CONFIG.datasets),
    captions=any_of(CONFIG.captions),
    model=any_of(CONFIG.models),
    run=any_of([*CONFIG.training, *CONFIG.pretraining]),
    pretraining=any_of(CONFIG.pretraining),
    evaluation=any_of(CONFIG.evaluation),
    split=any_of(SPLITS),
    part=r"\d{5}",
    tar=r"\d{5}",
    kind=any_of(MODEL_KINDS),
    name=any_of([*CONFIG.models, *CONFIG.training, *CONFIG.alignment]),
    alignment=any_of(CONFIG.alignment),
    variant=r"pretrained|seed\d+",
    seed=r"\d+",
    task=any_of(CONFIG.tasks),
    job=any_of(PLAN.adaptations.jobs),


def code(script, *chosen):
    """Changes with the library code that can change what `script` makes.

    `chosen`: the modules that it finds by name for this job.
    """
    return code_digest(REPOSITORY / "scripts" / script, *chosen)


def settings(model, **exclude):
    """A config section as plain values: what a job's params carry."""
    return in_order(model.model_dump(mode="json", **exclude))


def subject_job(w):
    """A subject on a split, and its cells, from the wildcards of a job."""
    job = PLAN.subject_job(w.dataset, w.split, w.kind, w.name)
    if not job.subjects:
        raise WorkflowError(
            f"no evaluation of the config judges {w.kind}/{w.name} on {w.dataset}/{w.split}"
        )
    return job


def seen_files(file):
    """A file of each data set that decides which classes are seen, for a job that judges."""
    return lambda w: PLAN.seen_files(
        [request["options"] for request in PLAN.requests(subject_job(w))], file
    )


def seen_files_of_folds(file):
    """The same for a job that draws support sets."""
    return lambda w: PLAN.seen_files(
        [PLAN.options(w.evaluation, w.dataset, "few_shot")], file
    )


def variants_of(task):
    """The seeds of each adaptation of a task."""
    return {
        name: [subject.variant for subject in subjects]
        for name, subjects in PLAN.adaptations.of_task(task).items()
    }
