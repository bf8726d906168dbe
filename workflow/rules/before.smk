"""What is said before the first job: what is missing here, whose results are replaced. No rules here."""

from nicheclip.plan import last_run
from nicheclip.plan.caption_estimates import estimates
from nicheclip.plan.given_files import missing_data
from nicheclip.runtime import local_machine


def gpus_asked():
    """How many GPUs the jobs of a local run ask for, by the key of the config that says so."""
    keys = {
        "train_model": "training.{run}.compute.gpus",
        "pretrain_backbone": "pretraining.{pretraining}.compute.gpus",
        "adapt_model": "adaptation.{job}.compute.gpus",
        "encode": "encoding.gpu",
        "ask_captions": "captions.{captions}.backend, which starts a server,",
    }
    return {
        keys[job.rule.name].format(**job.wildcards_dict): int(job.resources.gpu)
        for job in workflow.dag.needrun_jobs()
        if job.rule.name in keys and job.resources.get("gpu")
    }


def is_on_disk(model):
    """Whether a start model needs nothing from elsewhere: our architecture, files that are here."""
    ours = (REGISTRY / "models" / f"{model.architecture}.json").is_file()
    local = ours or model.architecture.startswith("local-dir:")
    return model.weights_file() or (local and not model.pretrained)


def start_models():
    """The start models that this run makes and that may need the network or a package."""
    names = [
        job.wildcards.model
        for job in workflow.dag.needrun_jobs()
        if job.rule.name == "create_model"
        and not is_on_disk(CONFIG.models[job.wildcards.model])
    ]
    return [
        {
            "name": name,
            **CONFIG.models[name].model_dump(include={"architecture", "pretrained"}),
        }
        for name in dict.fromkeys(names)
    ]


def backbones():
    """The weights of image models that this run takes from others and that may need the network."""
    sections = {"pretrain_backbone": "pretraining", "align": "alignment"}
    asked = []
    for job in workflow.dag.needrun_jobs():
        if section := sections.get(job.rule.name):
            asked += PLAN.alignments.fetched_weights(section, job.wildcards[section])
        elif job.rule.name == "adapt_model":
            asked += PLAN.adaptations.fetched_weights(job.wildcards.job)
    return asked


def missing_here():
    """What jobs of this run ask for and this machine does not have."""
    asked = gpus_asked()
    lines = local_machine.missing_gpus(asked, local_machine.gpus_here() if asked else 0)
    servers = {
        f"captions.{name}.backend": captions.backend.program
        for name, captions in CONFIG.captions.items()
        if captions.backend.program
        and any(
            job.rule.name == "ask_captions" and job.wildcards.captions == name
            for job in workflow.dag.needrun_jobs()
        )
    }
    return [
        *lines,
        *local_machine.missing_programs(servers),
        *local_machine.missing_weights([*start_models(), *backbones()]),
    ]


def look_around():
    """Stop a local run that asks for what this machine lacks; note what its names stand for."""
    if RUN_KIND == "local" and (missing := missing_here()):
        raise WorkflowError(
            "This machine lacks what the run needs; no job was started.", *missing
        )
    last_run.record(ORIGINS)


def look_for_files():
    """Stop where data sets that are not acquired yet want files that are not on this disk."""
    from nicheclip.data.absent_files import absent_files

    wanted = {
        name: dataset
        for name, dataset in CONFIG.datasets.items()
        if not all(
            Path(f"results/acquire/{name}/parts/{part}/manifest.json").is_file()
            for part in PLAN.parts(name)
        )
    }
    try:
        absent = absent_files(wanted, PLAN.registry / "datasets")
    except InputError as error:
        raise WorkflowError(masked(str(error))) from None
    if absent:
        raise WorkflowError(
            f"offline: {len(absent)} files are not on this disk; nothing was asked of the network.",
            *absent,
        )


CONFIG_FILES = [*workflow.configfiles, *workflow.overwrite_configfiles]
ORIGINS = last_run.origins(
    CONFIG, str(CONFIG_FILES[-1]) if CONFIG_FILES else "--config"
)
BEFORE_FIRST_JOB.append(look_around)
if workflow.is_main_process:
    if CONFIG.offline:
        look_for_files()
    for line in missing_data(PLAN):
        print(line, file=sys.stderr)
    if workflow.output_settings.dryrun:
        for line in estimates(PLAN, Path("results")):
            print(line, file=sys.stderr)
    if note := last_run.replaced(last_run.read_origins(), ORIGINS, Path("results")):
        print(note, file=sys.stderr)
