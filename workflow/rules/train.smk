"""Train: a start model and shards become a trained model.

Inputs:  results/shards/<dataset>/..., the model's architecture or weights
Outputs: results/models/<model>/<seed0|pretrained>/ and results/train/<run>/seed<n>/, both model
         folders in open_clip's layout; the latter with train.json and history.csv
Checkpoints (results/train/<run>/seed<n>/run/) are no output: Snakemake would delete them before a
retry that should go on from them.
"""


rule create_model:
    input:
        model_sources,
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
    threads: lambda w: CONFIG.training[w.run].node_cores
    resources:
        mem_mb=train_memory,
        runtime=lambda w: math.ceil(60 * CONFIG.training[w.run].hours),
        # Seconds. Not a param: another time limit is no reason to train again.
        stop_after=lambda w: CONFIG.training[w.run].stop_after,
        gpu=lambda w: CONFIG.training[w.run].gpus,
        nodes=lambda w: CONFIG.training[w.run].nodes,
        mpi=lambda w: on_several_nodes(w, "srun"),
        tasks=lambda w: on_several_nodes(w, CONFIG.training[w.run].nodes),
        tasks_per_gpu=lambda w: on_several_nodes(w, 0),
    params:
        config=lambda w: settings(CONFIG.training[w.run], exclude={"seeds", "hours"}),
        run_folder="results/train/{run}/seed{seed}/run",
        code=code("train_model.py"),
    message:
        "Training {wildcards.run}, seed {wildcards.seed}"
    script:
        "../../scripts/train_model.py"
