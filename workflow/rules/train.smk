"""Train: a start model and shards become a trained model.

Inputs:  results/shards/<dataset>/..., the model's architecture or weights
Outputs: results/models/<model>/<seed0|pretrained>/ and results/train/<run>/seed<n>/, both model
         folders in open_clip's layout; the latter with train.json and history.csv
Checkpoints (results/train/<run>/seed<n>/run/) are no output: Snakemake would delete them before a
retry that should go on from them.
"""


def initial(model, seed):
    """The folder of a start model: one for each seed when its weights are random."""
    return "pretrained" if CONFIG.models[model].pretrained else f"seed{seed}"


def model_files(folder):
    return [f"{folder}/open_clip_config.json", f"{folder}/open_clip_model.safetensors"]


def start_model(wildcards):
    model = CONFIG.training[wildcards.run].model
    return model_files(f"results/models/{model}/{initial(model, wildcards.seed)}")


def training_threads(wildcards):
    """Cores for all processes of a run: one process for each GPU, or one on the CPU."""
    run = CONFIG.training[wildcards.run]
    return max(run.gpus, 1) * (run.cpu_threads + run.workers)


rule create_model:
    output:
        model=model_files("results/models/{model}/{initial}"),
        manifest="results/models/{model}/{initial}/manifest.json",
    log:
        "results/logs/models/{model}/{initial}.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=memory(6000),
        runtime=minutes(60),
        downloads=1,
    params:
        config=lambda w: settings(CONFIG.models[w.model]),
        registry=str(REGISTRY / "models"),
        code=code("create_model.py"),
    message:
        "Creating the start model {wildcards.model} ({wildcards.initial})"
    script:
        "../../scripts/create_model.py"


rule train_model:
    input:
        start=start_model,
        shards=lambda w: shard_outputs(CONFIG.training[w.run].dataset, ["train", "val"]),
    output:
        model=model_files("results/train/{run}/seed{seed}"),
        report="results/train/{run}/seed{seed}/train.json",
        history="results/train/{run}/seed{seed}/history.csv",
    log:
        "results/logs/train/{run}/seed{seed}.log",
    conda:
        "../../envs/train.yaml"
    threads: training_threads
    resources:
        mem_mb=memory(4000, 1),
        runtime=lambda w, attempt: 24 * 60,
        gpu=lambda w: CONFIG.training[w.run].gpus,
        nodes=1,
    params:
        config=lambda w: settings(CONFIG.training[w.run], exclude={"seeds"}),
        run_folder="results/train/{run}/seed{seed}/run",
        code=code("train_model.py"),
    message:
        "Training {wildcards.run}, seed {wildcards.seed}"
    script:
        "../../scripts/train_model.py"
