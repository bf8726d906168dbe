"""Evaluate: a model folder and shards become predictions and metrics, one cell per job.

Inputs:  a model folder (results/models/... or results/train/...), results/shards/<dataset>/<split>
Outputs: results/features/<dataset>/<split>/<origin>/<name>/<initial>/features.safetensors and
         results/evaluate/<evaluation>/<origin>/<name>/<initial>/<protocol>/{metrics.json,...}
"""


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
    settings = CONFIG.training[run]
    starts = [
        f"models/{settings.model}/{initial(settings.model, seed)}"
        for seed in settings.seeds
    ]
    return list(dict.fromkeys(starts)) + [
        f"train/{run}/seed{seed}" for seed in settings.seeds
    ]


def evaluation_cells(evaluation):
    """The metrics of everything that an evaluation judges: models of its data set, baseline."""
    task = CONFIG.evaluation[evaluation]
    folders = [
        folder
        for run, settings in CONFIG.training.items()
        if settings.dataset == task.dataset
        for folder in run_folders(run)
    ]
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


MODEL_FOLDER = "results/{origin}/{name}/{initial}"
CELL = "results/evaluate/{evaluation}/{origin}/{name}/{initial}"


rule encode_images:
    input:
        model=model_files(MODEL_FOLDER),
        shards=lambda w: split_shards(w.dataset, w.split),
    output:
        features="results/features/{dataset}/{split}/{origin}/{name}/{initial}/features.safetensors",
    log:
        "results/logs/features/{dataset}/{split}/{origin}/{name}/{initial}.log",
    conda:
        "../../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000, 1),
        runtime=minutes(120),
        gpu=CONFIG.encoding.gpu,
        nodes=1,
    params:
        model=MODEL_FOLDER,
        shards="results/shards/{dataset}/{split}",
        batch_size=CONFIG.encoding.batch_size,
        gpu=CONFIG.encoding.gpu,
        code=code("encode_images.py"),
    message:
        "Encoding {wildcards.dataset}/{wildcards.split} with {wildcards.origin}/{wildcards.name}/{wildcards.initial}"
    script:
        "../../scripts/encode_images.py"


rule evaluate_zero_shot:
    input:
        model=model_files(MODEL_FOLDER),
        features=evaluated_features,
        catalog=evaluated_data("results/acquire/{dataset}/catalog.parquet"),
        classes=evaluated_data("results/acquire/{dataset}/classes.parquet"),
        texts=evaluated_data("results/taxonomy/{dataset}/texts.parquet"),
        class_texts=class_text_source,
    output:
        predictions=f"{CELL}/zero_shot/predictions.parquet",
        metrics=f"{CELL}/zero_shot/metrics.json",
    log:
        "results/logs/evaluate/{evaluation}/{origin}/{name}/{initial}/zero_shot.log",
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(4000, 1),
        runtime=minutes(60),
        gpu=CONFIG.encoding.gpu,
        nodes=1,
    params:
        cell=cell,
        config=lambda w: settings(CONFIG.evaluation[w.evaluation]),
        seed=CONFIG.seed,
        model=MODEL_FOLDER,
        batch_size=CONFIG.encoding.batch_size,
        gpu=CONFIG.encoding.gpu,
        code=code("evaluate_zero_shot.py"),
    message:
        "Zero-shot {wildcards.evaluation}: {wildcards.origin}/{wildcards.name}/{wildcards.initial}"
    script:
        "../../scripts/evaluate_zero_shot.py"


rule evaluate_retrieval:
    input:
        model=model_files(MODEL_FOLDER),
        features=evaluated_features,
        shards=evaluated_shards,
        classes=evaluated_data("results/acquire/{dataset}/classes.parquet"),
    output:
        predictions=f"{CELL}/retrieval/predictions.parquet",
        metrics=f"{CELL}/retrieval/metrics.json",
    log:
        "results/logs/evaluate/{evaluation}/{origin}/{name}/{initial}/retrieval.log",
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(4000, 1),
        runtime=minutes(60),
        gpu=CONFIG.encoding.gpu,
        nodes=1,
    params:
        cell=cell,
        config=lambda w: settings(CONFIG.evaluation[w.evaluation]),
        seed=CONFIG.seed,
        model=MODEL_FOLDER,
        batch_size=CONFIG.encoding.batch_size,
        gpu=CONFIG.encoding.gpu,
        code=code("evaluate_retrieval.py"),
    message:
        "Retrieval {wildcards.evaluation}: {wildcards.origin}/{wildcards.name}/{wildcards.initial}"
    script:
        "../../scripts/evaluate_retrieval.py"


rule draw_folds:
    input:
        catalog=evaluated_data("results/acquire/{dataset}/catalog.parquet"),
    output:
        folds="results/evaluate/{evaluation}/folds.parquet",
    log:
        "results/logs/evaluate/{evaluation}/folds.log",
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(1000, 10),
        runtime=minutes(15),
    params:
        config=lambda w: settings(CONFIG.evaluation[w.evaluation]),
        seed=CONFIG.seed,
        code=code("draw_folds.py"),
    message:
        "Drawing the support sets of {wildcards.evaluation}"
    script:
        "../../scripts/draw_folds.py"


rule evaluate_few_shot:
    input:
        features=evaluated_features,
        catalog=evaluated_data("results/acquire/{dataset}/catalog.parquet"),
        folds=rules.draw_folds.output.folds,
    output:
        metrics=f"{CELL}/few_shot/metrics.json",
    log:
        "results/logs/evaluate/{evaluation}/{origin}/{name}/{initial}/few_shot.log",
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(1500, 2),
        runtime=minutes(60),
    params:
        cell=cell,
        code=code("evaluate_few_shot.py"),
    message:
        "Few-shot {wildcards.evaluation}: {wildcards.origin}/{wildcards.name}/{wildcards.initial}"
    script:
        "../../scripts/evaluate_few_shot.py"


rule evaluate_colour_histogram:
    input:
        train=lambda w: split_shards(CONFIG.evaluation[w.evaluation].dataset, "train"),
        shards=evaluated_shards,
        classes=evaluated_data("results/acquire/{dataset}/classes.parquet"),
    output:
        predictions="results/evaluate/{evaluation}/baseline/colour_histogram/predictions.parquet",
        metrics="results/evaluate/{evaluation}/baseline/colour_histogram/metrics.json",
    log:
        "results/logs/evaluate/{evaluation}/colour_histogram.log",
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(2000, 1),
        runtime=minutes(60),
    params:
        cell=cell,
        config=lambda w: settings(CONFIG.evaluation[w.evaluation]),
        seed=CONFIG.seed,
        code=code("evaluate_colour_histogram.py"),
    message:
        "Colour histogram baseline of {wildcards.evaluation}"
    script:
        "../../scripts/evaluate_colour_histogram.py"
