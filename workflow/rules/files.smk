"""Which files the config asks for and each job reads. No rules here."""

FUNGALZSL = CONFIG.papers.fungalzsl
BIOCLIP = CONFIG.papers.bioclip

# --- acquire, captions, shards ---


def source_files(wildcards):
    """Files whose change makes a data set stale."""
    source = CONFIG.datasets[wildcards.dataset].source
    if source.kind == "table":
        return [expanded(source.path)]
    if source.kind == "registry":
        return [str(REGISTRY / "datasets" / f"{source.name}.yaml")]
    if source.kind == "archive" and source.reader.kind == "listed":
        return [str(REGISTRY / "datasets" / source.reader.list)]
    return []


def checklist_files():
    """What the providers of checklists are read from, common names included."""
    return [
        str(path)
        for provider in CONFIG.taxonomy.providers
        for path in provider_files(provider)
    ]


def checklists(kind):
    """The table `kind` of all checklists: one file, or an empty list without checklists."""
    return f"results/checklists/{kind}.parquet" if CONFIG.taxonomy.providers else []


def described(kind):
    """The acquire output `kind` of the data set that a caption set describes."""

    def path(wildcards):
        dataset = CONFIG.captions[wildcards.captions].dataset
        return f"results/acquire/{dataset}/{kind}"

    return path


def caption_source(wildcards):
    backend = CONFIG.captions[wildcards.captions].backend
    if backend.kind == "replay":
        return expanded(backend.path)
    name = backend.grammar if backend.kind == "template" else backend.prompt
    return str(REGISTRY / "prompts" / f"{name}.yaml")


def serves_a_model(wildcards):
    """Whether the job runs its own LLM server."""
    backend = CONFIG.captions[wildcards.captions].backend
    return backend.kind == "ollama" and backend.host is None


def caption_memory(wildcards, attempt):
    return (16000 if serves_a_model(wildcards) else 4000) * 2 ** (attempt - 1)


def dataset_captions(wildcards):
    captions = CONFIG.datasets[wildcards.dataset].captions
    return [f"results/captions/{captions}/captions.parquet"] if captions else []


def parts(dataset):
    return [f"{part:05d}" for part in range(CONFIG.datasets[dataset].shards)]


def shard_outputs(dataset, splits=SPLITS):
    """Everything of a data set's shards that a reader needs."""
    return expand(
        "results/shards/{dataset}/{split}/{part}.{kind}",
        dataset=dataset,
        split=splits,
        part=parts(dataset),
        kind=["tar", "parquet"],
    ) + expand(
        "results/shards/{dataset}/{split}/sizes.json", dataset=dataset, split=splits
    )


# --- models and training ---


def initial(model, seed):
    """The folder of a start model: one for each seed when its weights are random."""
    return "pretrained" if CONFIG.models[model].pretrained else f"seed{seed}"


def model_sources(wildcards):
    """Files that a start model is made of: our own architecture, a checkpoint on disk."""
    model = CONFIG.models[wildcards.model]
    architecture = REGISTRY / "models" / f"{model.architecture}.json"
    weights = expanded(model.pretrained or "")
    return [str(path) for path in (architecture, weights) if os.path.isfile(path)]


def model_files(folder):
    return [f"{folder}/open_clip_config.json", f"{folder}/open_clip_model.safetensors"]


def start_model(wildcards):
    model = CONFIG.training[wildcards.run].model
    return model_files(f"results/models/{model}/{initial(model, wildcards.seed)}")


def train_memory(wildcards, input, attempt):
    """On each node, for each of its processes: room for the weights, their gradients and AdamW's
    two moments, a checkpoint, the workers."""
    weights = sum(os.path.getsize(f) for f in input.start if os.path.exists(f)) / 2**20
    run = CONFIG.training[wildcards.run]
    process = 4000 + 8 * weights + 500 * run.workers
    return int(run.node_processes * process * 2 ** (attempt - 1))


def on_several_nodes(wildcards, value):
    """A resource that only a run on several nodes has."""
    return value if CONFIG.training[wildcards.run].nodes > 1 else None


# --- evaluation ---


def split_shards(dataset, split):
    return shard_outputs(dataset, [split])


def evaluated_shards(wildcards):
    task = CONFIG.evaluation[wildcards.evaluation]
    return split_shards(task.dataset, task.split)


def evaluated_features(wildcards):
    task = CONFIG.evaluation[wildcards.evaluation]
    return (
        f"results/features/{task.dataset}/{task.split}/{wildcards.origin}/{wildcards.name}/"
        f"{wildcards.initial}/features.safetensors"
    )


def evaluated_data(path):
    """The file `path` of the data set that an evaluation uses."""
    return lambda w: path.format(dataset=CONFIG.evaluation[w.evaluation].dataset)


def seen_data(kind):
    """The acquire output `kind` of the data set that decides which classes are seen, if any."""

    def paths(wildcards):
        dataset = CONFIG.evaluation[wildcards.evaluation].seen_in
        return [f"results/acquire/{dataset}/{kind}"] if dataset else []

    return paths


def class_text_source(wildcards):
    texts = CONFIG.evaluation[wildcards.evaluation].class_texts
    if texts.kind == "captions":
        return f"results/captions/{texts.captions}/captions.parquet"
    return str(REGISTRY / "prompts" / f"{texts.templates}.yaml")


def cell(wildcards):
    """What a job judges, as its metrics name it."""
    task = CONFIG.evaluation[wildcards.evaluation]
    seed = wildcards.get("initial", "").removeprefix("seed")
    return {
        "evaluation": wildcards.evaluation,
        "dataset": task.dataset,
        "split": task.split,
        "model": {
            "origin": wildcards.get("origin", "baseline"),
            "name": wildcards.get("name", "colour_histogram"),
        },
        "seed": int(seed) if seed.isdigit() else None,
    }


def run_folders(run):
    """The start and the trained model folders of a run, seed by seed, as origin/name/initial."""
    model, seeds = CONFIG.training[run].model, CONFIG.training[run].seeds
    starts = [f"models/{model}/{initial(model, seed)}" for seed in seeds]
    return list(dict.fromkeys(starts)) + [f"train/{run}/seed{seed}" for seed in seeds]


def run_cells(evaluation, run, protocol):
    """The metrics of a run and of its start models by one protocol."""
    return {
        origin: [
            f"results/evaluate/{evaluation}/{folder}/{protocol}/metrics.json"
            for folder in run_folders(run)
            if folder.startswith(origin)
        ]
        for origin in ("train", "models")
    }


def judged_runs(evaluation):
    """The training runs that an evaluation judges."""
    task = CONFIG.evaluation[evaluation]
    if task.runs is not None:
        return task.runs
    return [
        run
        for run, training in CONFIG.training.items()
        if training.dataset == task.dataset
    ]


def evaluation_cells(evaluation):
    """The metrics of everything that an evaluation judges: models and baseline."""
    task = CONFIG.evaluation[evaluation]
    folders = [folder for run in judged_runs(evaluation) for folder in run_folders(run)]
    cells = [
        f"results/evaluate/{evaluation}/{folder}/{protocol}/metrics.json"
        for folder in dict.fromkeys(folders)
        for protocol in task.protocols
    ]
    if task.baseline:
        cells.append(
            f"results/evaluate/{evaluation}/baseline/colour_histogram/metrics.json"
        )
    return cells


# --- tables, figures, report ---


def figure(path, **report_options):
    """A figure's two files; the SVG goes into the report."""
    return {
        "svg": report(f"results/figures/{path}.svg", **report_options),
        "png": f"results/figures/{path}.png",
    }


def table(path, **report_options):
    """A table's five files; the page goes into the report."""
    base = f"results/tables/{path}"
    return {
        "md": f"{base}.md",
        "html": report(f"{base}.html", **report_options),
        "csv": f"{base}.csv",
        "tex": f"{base}.tex",
        "sources": f"{base}.sources.csv",
    }


def tabled(rows):
    """Every file of a table's rows: {row: {column: [files]}}."""
    return [
        path
        for columns in rows.values()
        for paths in columns.values()
        for path in paths
    ]


def reported_figures():
    """The curves of every run, and the figures of every zero-shot evaluation."""
    figures = [f"results/figures/training/{run}.svg" for run in CONFIG.training]
    for evaluation, task in CONFIG.evaluation.items():
        if "zero_shot" not in task.protocols:
            continue
        for run in judged_runs(evaluation):
            training = CONFIG.training[run]
            seed = training.seeds[0]
            figures.append(
                f"results/figures/confusion/{evaluation}/{run}-seed{seed}.svg"
            )
            folder = f"results/figures/embedding/{task.dataset}/{task.split}"
            start = initial(training.model, seed)
            figures.append(f"{folder}/models-{training.model}-{start}.svg")
            figures.append(f"{folder}/train-{run}-seed{seed}.svg")
    return list(dict.fromkeys(figures))


def reported_tables():
    """Every table that the config asks for."""
    tables = [
        f"results/tables/evaluation/{evaluation}.html"
        for evaluation in CONFIG.evaluation
    ]
    tables += fungalzsl_outputs() if FUNGALZSL else []
    return tables + (bioclip_outputs() if BIOCLIP else [])


def fungalzsl_cells():
    """The metrics of each row of Table 1: trained, untrained, baseline."""
    name = FUNGALZSL.evaluation
    histogram = f"results/evaluate/{name}/baseline/colour_histogram/metrics.json"
    baseline = {"baseline": [histogram] * CONFIG.evaluation[name].baseline}
    return {
        label: run_cells(name, run, "retrieval") | baseline
        for label, run in FUNGALZSL.rows.items()
    }


def fungalzsl_source(evaluation):
    """Zero-shot predictions of the run that figures 4 and 5 show."""
    run = FUNGALZSL.figures_from
    seed = CONFIG.training[run].seeds[0]
    return f"results/evaluate/{evaluation}/train/{run}/seed{seed}/zero_shot/predictions.parquet"


def fungalzsl_outputs():
    figures = ["fungalzsl_1", "fungalzsl_figure_4", "fungalzsl_figure_5"]
    return expand(
        "results/tables/fungalzsl_1.{kind}", kind=["md", "csv", "tex", "html"]
    ) + expand("results/figures/{name}.svg", name=figures)


def bioclip_cells(rows):
    """The text-type metrics of each of `rows`: trained and untrained."""
    return {
        label: run_cells(BIOCLIP.evaluation, run, "text_types")
        for label, run in rows.items()
    }


def bioclip_few_shot_tasks():
    """What each few-shot evaluation is called and has, for the table."""
    tasks = []
    for name in BIOCLIP.few_shot:
        task = CONFIG.evaluation[name]
        source = CONFIG.datasets[task.dataset].source
        tasks.append(
            {
                "dataset": source.name if source.kind == "registry" else task.dataset,
                "classes": task.classes,
                "rows": {
                    label: run_cells(name, run, "few_shot")
                    for label, run in BIOCLIP.rows.items()
                },
            }
        )
    return tasks


def bioclip_predictions(run):
    """The predictions of each seed of a run by each text type."""
    cells = run_cells(BIOCLIP.evaluation, run, "text_types")["train"]
    return [cell.replace("metrics.json", "predictions.parquet") for cell in cells]


def bioclip_arms():
    """The runs that are compared: predictions and the text type of their test."""
    labels = dict.fromkeys(label for pair in BIOCLIP.comparisons for label in pair)
    return {
        label: {
            "text_type": BIOCLIP.tested_with(label),
            "predictions": bioclip_predictions(BIOCLIP.ablation[label]),
        }
        for label in labels
    }


def bioclip_features():
    """Image features of the run that the tree figures show: before training and after."""
    task = CONFIG.evaluation[BIOCLIP.evaluation]
    run = BIOCLIP.figures_from
    seed = CONFIG.training[run].seeds[0]
    model = CONFIG.training[run].model
    return [
        f"results/features/{task.dataset}/{task.split}/{folder}/features.safetensors"
        for folder in (
            f"models/{model}/{initial(model, seed)}",
            f"train/{run}/seed{seed}",
        )
    ]


def bioclip_outputs():
    tables = ["text_types", "ablation", "few_shot", "ranks"]
    figures = ["text_types", "few_shot", "ranks", "tree", "distances"]
    if BIOCLIP.comparisons:
        tables.append("taxonomy_effect")
        figures.append("taxonomy_effect")
    return expand(
        "results/tables/bioclip_{name}.{kind}",
        name=tables,
        kind=["md", "csv", "tex", "html"],
    ) + expand("results/figures/bioclip_{name}.svg", name=figures)
