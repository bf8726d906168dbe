"""Train: a start model and shards become a trained model.

Inputs:  results/shards/<dataset>/manifest.json, the model's architecture or weights
Outputs: results/models/start/<model>/<seed<n>|pretrained>/ and results/models/trained/<run>/seed<n>/,
         both model folders in open_clip's layout; the latter with train.json and history.csv
Checkpoints (results/models/trained/<run>/seed<n>/run/) are no output: Snakemake would delete them
before a retry that should resume from them.
What a run is computed with (`compute` in its config) is no param: a change there is no reason to
train again. Resources and threads are read from it here, the rest by the script.
"""


def compute(w):
    """With what a run is computed."""
    return CONFIG.training[w.run].compute


def on_several_nodes(w, value):
    """A resource that only a run on several nodes has."""
    return value if compute(w).nodes > 1 else None


def train_memory(wildcards, input, attempt):
    weights = sum(os.path.getsize(f) for f in input.start if os.path.exists(f)) / 2**20
    asked = compute(wildcards)
    return training_memory(asked.node_processes, weights, asked.workers, attempt)


rule create_model:
    input:
        lambda w: PLAN.model_sources(w.model),
    output:
        model=[f"results/models/start/{{model}}/{{variant}}/{f}" for f in MODEL_FILES],
        manifest="results/models/start/{model}/{variant}/manifest.json",
    log:
        "results/logs/models/start/{model}/{variant}.log",
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
        "Creating the start model {wildcards.model} ({wildcards.variant})"
    script:
        "../../scripts/create_model.py"


rule train_model:
    input:
        start=lambda w: PLAN.start(CONFIG.training[w.run].model, int(w.seed)).files(),
        shards=lambda w: f"results/shards/{CONFIG.training[w.run].dataset}/manifest.json",
    output:
        model=[f"results/models/trained/{{run}}/seed{{seed}}/{f}" for f in MODEL_FILES],
        report="results/models/trained/{run}/seed{seed}/train.json",
        history="results/models/trained/{run}/seed{seed}/history.csv",
    log:
        "results/logs/models/trained/{run}/seed{seed}.log",
    conda:
        "../../envs/train.yaml"
    threads: lambda w: compute(w).node_cores
    resources:
        mem_mb=train_memory,
        runtime=lambda w: compute(w).minutes,
        gpu=lambda w: compute(w).gpus,
        nodes=lambda w: compute(w).nodes,
        mpi=lambda w: on_several_nodes(w, "srun"),
        tasks=lambda w: on_several_nodes(w, compute(w).nodes),
        tasks_per_gpu=lambda w: on_several_nodes(w, 0),
    params:
        determines=lambda w: CONFIG.training[w.run].determines(),
        run_folder="results/models/trained/{run}/seed{seed}/run",
        code=code("train_model.py"),
    message:
        "Training {wildcards.run}, seed {wildcards.seed}"
    script:
        "../../scripts/train_model.py"
