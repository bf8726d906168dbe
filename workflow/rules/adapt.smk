"""Adapt: images without labels and texts of classes become an adapted model, and are judged.

Inputs:  start or trained models, image models without texts, results/acquire/<dataset>, class texts, captions
Outputs: results/tasks/<task>/{fit,judge}/images.arrow and texts.json: what a method is given; the
         same in batches/<n>/ where the images come in batches;
         results/models/adapted/<job>/manifest.json and, beside it, for each result
         results/models/adapted/<adaptation>/<task>/seed<n>/: scores.safetensors, and for methods
         with a vector for each class a model folder with classifier.safetensors;
         results/evaluate/<dataset>/<split>/adapted/<task>/<adaptation>/seed<n>/...;
         of images without labels instead results/answers/<task>/<adaptation>.html, a page of
         pictures, and results/answers/<task>/<adaptation>/seed<n>/predictions.{parquet,csv}
Labels decide in `draw_task` which images are of a task, and in `judge_adapted` who was right. `adapt`
has none among its inputs. It is one job for each method that trains, with all its tasks and seeds,
and one for all methods without training that have the same start.
Checkpoints (results/models/adapted/<job>/run/) are no output: Snakemake would delete them.
"""


rule draw_task:
    input:
        splits=lambda w: PLAN.split_files(
            CONFIG.tasks[w.task].dataset,
            dict.fromkeys([CONFIG.tasks[w.task].fit, CONFIG.tasks[w.task].judge]),
        ),
        classes=lambda w: f"results/acquire/{CONFIG.tasks[w.task].dataset}/classes.parquet",
        seen_catalogs=lambda w: PLAN.seen_files(
            [CONFIG.tasks[w.task].plain()], "catalog.parquet"
        ),
        seen_classes=lambda w: PLAN.seen_files(
            [CONFIG.tasks[w.task].plain()], "classes.parquet"
        ),
        texts=lambda w: f"results/taxonomy/{CONFIG.tasks[w.task].dataset}/texts.parquet",
        templates=lambda w: PLAN.adaptations.templates(w.task),
        captions=lambda w: PLAN.adaptations.captions(w.task),
        descriptions=lambda w: PLAN.adaptations.descriptions(w.task),
        published=lambda w: PLAN.adaptations.published_descriptions(w.task),
    output:
        fit="results/tasks/{task}/fit/images.arrow",
        judge="results/tasks/{task}/judge/images.arrow",
        texts="results/tasks/{task}/texts.json",
        batches=directory("results/tasks/{task}/batches"),
    log:
        "results/logs/tasks/{task}.log",
    priority: Priority.PREPARE
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(1000, 4),
        runtime=minutes(15),
    params:
        task=lambda w: CONFIG.tasks[w.task].plain(),
        registry_name=lambda w: PLAN.adaptations.registry_name(w.task),
        code=code("draw_task.py"),
    message:
        "Drawing the task {wildcards.task}"
    script:
        "../../scripts/draw_task.py"


rule adapt_model:
    input:
        start=lambda w: PLAN.adaptations.jobs[w.job].start.files(),
        fit=lambda w: expand(
            rules.draw_task.output.fit, task=PLAN.adaptations.jobs[w.job].tasks
        ),
        judge=lambda w: expand(
            rules.draw_task.output.judge, task=PLAN.adaptations.jobs[w.job].tasks
        ),
        texts=lambda w: expand(
            rules.draw_task.output.texts, task=PLAN.adaptations.jobs[w.job].tasks
        ),
        batches=lambda w: expand(
            rules.draw_task.output.batches, task=PLAN.adaptations.jobs[w.job].tasks
        ),
        backbones=lambda w: PLAN.adaptations.backbone_files(w.job),
        weights=lambda w: PLAN.adaptations.weights_files(w.job),
    output:
        manifest="results/models/adapted/{job}/manifest.json",
    log:
        "results/logs/models/adapted/{job}.log",
    priority: Priority.ADAPT
    conda:
        "../../envs/train.yaml"
    threads: lambda w: PLAN.adaptations.jobs[w.job].compute.node_cores
    resources:
        mem_mb=lambda w, input, attempt: training_memory(
            PLAN.adaptations.jobs[w.job].compute, input.start, attempt
        ),
        runtime=lambda w: PLAN.adaptations.jobs[w.job].compute.minutes,
        gpu=lambda w: PLAN.adaptations.jobs[w.job].compute.gpus,
        nodes=lambda w: PLAN.adaptations.jobs[w.job].compute.nodes,
        # These three only for a job on several nodes.
        mpi=lambda w: "srun" if PLAN.adaptations.jobs[w.job].compute.nodes > 1 else None,
        tasks=lambda w: PLAN.adaptations.jobs[w.job].compute.node_tasks,
        tasks_per_gpu=lambda w: (
            0 if PLAN.adaptations.jobs[w.job].compute.nodes > 1 else None
        ),
    params:
        methods=lambda w: PLAN.adaptations.jobs[w.job].methods,
        code=lambda w: code("adapt.py", *PLAN.adaptations.jobs[w.job].modules),
    message:
        "Adapting without labels: {wildcards.job}"
    script:
        "../../scripts/adapt.py"


rule show_answers:
    input:
        adapted=lambda w: PLAN.adaptations.manifests(w.task),
        texts=rules.draw_task.output.texts,
        images=rules.draw_task.output.judge,
        catalog=lambda w: f"results/acquire/{CONFIG.tasks[w.task].dataset}/catalog.parquet",
        classes=lambda w: f"results/acquire/{CONFIG.tasks[w.task].dataset}/classes.parquet",
    output:
        directory("results/answers/{task}"),
    log:
        "results/logs/answers/{task}.log",
    priority: Priority.JUDGE
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(2000, 2),
        runtime=minutes(60, 0.1),
    params:
        adapted=lambda w: variants_of(w.task),
        code=code("show_answers.py"),
    message:
        "Answers for the images of {wildcards.task}, which have no labels"
    script:
        "../../scripts/show_answers.py"


rule judge_adapted:
    input:
        adapted=lambda w: PLAN.adaptations.manifests(w.task),
        catalog="results/acquire/{dataset}/catalog.parquet",
        classes="results/acquire/{dataset}/classes.parquet",
        trained_on=lambda w: PLAN.adaptations.starts_trained_on(w.task),
    output:
        directory("results/evaluate/{dataset}/{split}/adapted/{task}"),
    log:
        "results/logs/evaluate/{dataset}/{split}/adapted/{task}.log",
    priority: Priority.JUDGE
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(2000, 2),
        runtime=minutes(60, 0.1),
    params:
        task=lambda w: CONFIG.tasks[w.task].plain(),
        adapted=lambda w: variants_of(w.task),
        seed=CONFIG.seed,
        code=code("judge_adapted.py"),
    message:
        "Judging what was adapted to {wildcards.task}"
    script:
        "../../scripts/judge_adapted.py"
