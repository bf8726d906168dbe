"""Train: a start model, images and texts become a trained model.

Inputs:  results/acquire/<dataset>/<split>/, class texts and captions, the model's architecture or weights,
         the taxa of the classes for a training by ranks
Outputs: results/models/start/<model>/<seed<n>|pretrained>/ and results/models/trained/<run>/seed<n>/,
         both model folders in open_clip's layout; the latter with train.json, history.csv and
         README.md, a card for the hub, and with `keep_epochs` a model folder epochs/<n>/ of each of the
         last epochs, which no rule declares: their numbers are known when the run is complete;
         results/models/backbones/<pretraining>/seed<n>/: an image model, which knows no text;
         results/models/aligned/<alignment>/seed<n>/: a model folder, the map's figures in its manifest
Checkpoints (results/models/trained/<run>/seed<n>/run/) are no output: Snakemake would delete them
before a retry that should resume from them. For the same reason the last finished model is kept
there (run/finished/) until that of a retraining is complete.
What a run is computed with (`compute` in its config) is no param: a change there is no reason to
train again. Resources and threads are read from it here, the rest by the script.
"""

from nicheclip.plan import training_inputs


rule create_model:
    input:
        lambda w: PLAN.model_sources(w.model),
    output:
        model=[f"results/models/start/{{model}}/{{variant}}/{f}" for f in MODEL_FILES],
        manifest="results/models/start/{model}/{variant}/manifest.json",
    log:
        "results/logs/models/start/{model}/{variant}.log",
    priority: Priority.PREPARE
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
        start=lambda w: PLAN.start_of(w.run, int(w.seed)).files(),
        splits=lambda w: PLAN.split_files(
            CONFIG.training[w.run].dataset, ("train", "val")
        ),
        catalog=lambda w: f"results/acquire/{CONFIG.training[w.run].dataset}/catalog.parquet",
        class_texts=lambda w: f"results/taxonomy/{CONFIG.training[w.run].dataset}/class_texts.arrow",
        captions=lambda w: PLAN.training_captions(w.run),
        lineages=lambda w: training_inputs.lineages(PLAN, w.run),
        replay=lambda w: training_inputs.replayed(PLAN, w.run),
        validation=lambda w: training_inputs.validated(PLAN, w.run),
    output:
        model=[f"results/models/trained/{{run}}/seed{{seed}}/{f}" for f in MODEL_FILES],
        report="results/models/trained/{run}/seed{seed}/train.json",
        history="results/models/trained/{run}/seed{seed}/history.csv",
        card="results/models/trained/{run}/seed{seed}/README.md",
    log:
        "results/logs/models/trained/{run}/seed{seed}.log",
    # What takes longest and waits for nothing begins first: many short jobs fill the gaps.
    priority: Priority.TRAIN
    conda:
        "../../envs/train.yaml"
    threads: lambda w: CONFIG.training[w.run].compute.node_cores
    resources:
        mem_mb=lambda w, input, attempt: training_memory(
            CONFIG.training[w.run].compute,
            input.start,
            attempt,
            CONFIG.training[w.run].keep_epochs,
        ),
        runtime=lambda w: CONFIG.training[w.run].compute.minutes,
        gpu=lambda w: CONFIG.training[w.run].compute.gpus,
        nodes=lambda w: CONFIG.training[w.run].compute.nodes,
        # These three only for a run on several nodes.
        mpi=lambda w: "srun" if CONFIG.training[w.run].compute.nodes > 1 else None,
        tasks=lambda w: CONFIG.training[w.run].compute.node_tasks,
        tasks_per_gpu=lambda w: 0 if CONFIG.training[w.run].compute.nodes > 1 else None,
    params:
        determines=lambda w: CONFIG.training[w.run].determines(),
        run_folder="results/models/trained/{run}/seed{seed}/run",
        registry=str(PLAN.registry / "datasets"),
        code=lambda w: code(
            "train_model.py",
            f"nicheclip.training.objectives.{CONFIG.training[w.run].recipe.kind}",
        ),
    message:
        "Training {wildcards.run}, seed {wildcards.seed}"
    script:
        "../../scripts/train_model.py"


rule pretrain_backbone:
    input:
        splits=lambda w: PLAN.split_files(
            CONFIG.pretraining[w.pretraining].dataset, ("train", "val")
        ),
        weights=lambda w: PLAN.alignments.start_weights(w.pretraining),
    output:
        backbone=[
            f"results/models/backbones/{{pretraining}}/seed{{seed}}/{f}"
            for f in BACKBONE_FILES
        ],
        report="results/models/backbones/{pretraining}/seed{seed}/train.json",
        history="results/models/backbones/{pretraining}/seed{seed}/history.csv",
    log:
        "results/logs/models/backbones/{pretraining}/seed{seed}.log",
    priority: Priority.TRAIN
    conda:
        "../../envs/train.yaml"
    threads: lambda w: CONFIG.pretraining[w.pretraining].compute.node_cores
    resources:
        mem_mb=lambda w, attempt: training_memory(
            CONFIG.pretraining[w.pretraining].compute, [], attempt
        ),
        runtime=lambda w: CONFIG.pretraining[w.pretraining].compute.minutes,
        gpu=lambda w: CONFIG.pretraining[w.pretraining].compute.gpus,
        nodes=lambda w: CONFIG.pretraining[w.pretraining].compute.nodes,
        # These three only for a run on several nodes.
        mpi=lambda w: (
            "srun" if CONFIG.pretraining[w.pretraining].compute.nodes > 1 else None
        ),
        tasks=lambda w: CONFIG.pretraining[w.pretraining].compute.node_tasks,
        tasks_per_gpu=lambda w: (
            0 if CONFIG.pretraining[w.pretraining].compute.nodes > 1 else None
        ),
    params:
        determines=lambda w: CONFIG.pretraining[w.pretraining].determines(),
        run_folder="results/models/backbones/{pretraining}/seed{seed}/run",
        code=lambda w: code(
            "pretrain_backbone.py",
            f"nicheclip.training.objectives.{CONFIG.pretraining[w.pretraining].recipe.kind}",
        ),
    message:
        "Pretraining {wildcards.pretraining}, seed {wildcards.seed}"
    script:
        "../../scripts/pretrain_backbone.py"


rule align:
    input:
        backbone=lambda w: PLAN.alignments.backbone_files(w.alignment),
        clip=lambda w: PLAN.alignments.target(w.alignment).files(),
        text=lambda w: PLAN.alignments.text(w.alignment).files(),
        images=lambda w: f"results/acquire/{CONFIG.alignment[w.alignment].dataset}/train/images.arrow",
    output:
        model=[
            f"results/models/aligned/{{alignment}}/seed{{seed}}/{f}"
            for f in MODEL_FILES
        ],
        manifest="results/models/aligned/{alignment}/seed{seed}/manifest.json",
    log:
        "results/logs/models/aligned/{alignment}/seed{seed}.log",
    priority: Priority.TRAIN
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=lambda w, input, attempt: alignment_memory(
            CONFIG.alignment[w.alignment],
            PLAN.expected_images(CONFIG.alignment[w.alignment].dataset),
            input,
            attempt,
        ),
        runtime=minutes(240, 0.1),
        gpu=CONFIG.encoding.gpu,
        nodes=1,
    params:
        alignment=lambda w: settings(CONFIG.alignment[w.alignment]),
        batch_size=CONFIG.encoding.batch_size,
        code=code("align.py"),
    message:
        "Aligning {wildcards.alignment}"
    script:
        "../../scripts/align.py"
