"""Evaluate: models and images become features, predictions and metrics.

Inputs:  model folders (results/models/...), results/acquire/<dataset>, class texts
Outputs: results/features/<dataset>/<split>/<kind>/<name>/manifest.json, the features beside it, and
         results/evaluate/<dataset>/<split>/<kind>/<name>/<variant>/<evaluation>/<protocol>/...
A job takes all variants (seeds) of a subject on one split: `encode` both sides, images and class
texts, and `judge` all protocols of all evaluations, without torch.
"""


rule encode:
    input:
        models=lambda w: subject_job(w).model_files,
        images="results/acquire/{dataset}/{split}/images.arrow",
        labels="results/acquire/{dataset}/{split}/labels.arrow",
        catalog="results/acquire/{dataset}/catalog.parquet",
        texts="results/taxonomy/{dataset}/texts.parquet",
        templates=lambda w: PLAN.template_files(subject_job(w)),
        captions=lambda w: PLAN.caption_files(subject_job(w)),
        own_captions=lambda w: PLAN.gallery_captions(subject_job(w)),
    output:
        manifest="results/features/{dataset}/{split}/{kind}/{name}/manifest.json",
    log:
        "results/logs/features/{dataset}/{split}/{kind}/{name}.log",
    priority: Priority.ENCODE
    conda:
        "../../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000, 1),
        runtime=minutes(60, 0.01 if CONFIG.encoding.gpu else 0.1),
        gpu=CONFIG.encoding.gpu,
        nodes=1,
        in_turn=1,
    params:
        variants=lambda w: subject_job(w).variants,
        text_sets=lambda w: [settings(one) for one in PLAN.text_sets(subject_job(w))],
        batch_size=CONFIG.encoding.batch_size,
        precision=CONFIG.encoding.precision,
        gpu=CONFIG.encoding.gpu,
        code=code("encode.py"),
    message:
        "Encoding {wildcards.dataset}/{wildcards.split} with {wildcards.kind}/{wildcards.name}"
    script:
        "../../scripts/encode.py"


rule draw_folds:
    input:
        catalog="results/acquire/{dataset}/catalog.parquet",
        classes="results/acquire/{dataset}/classes.parquet",
        seen_catalogs=seen_files_of_folds("catalog.parquet"),
        seen_classes=seen_files_of_folds("classes.parquet"),
    output:
        folds="results/folds/{evaluation}/{dataset}.parquet",
    log:
        "results/logs/folds/{evaluation}/{dataset}.log",
    priority: Priority.PREPARE
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(1000, 10),
        runtime=minutes(15),
    params:
        options=lambda w: PLAN.options(w.evaluation, w.dataset, "few_shot"),
        split=lambda w: CONFIG.evaluation[w.evaluation].split,
        seed=CONFIG.seed,
        code=code("draw_folds.py"),
    message:
        "Drawing the support sets of {wildcards.evaluation} on {wildcards.dataset}"
    script:
        "../../scripts/draw_folds.py"


rule judge:
    input:
        features="results/features/{dataset}/{split}/{kind}/{name}/manifest.json",
        catalog="results/acquire/{dataset}/catalog.parquet",
        classes="results/acquire/{dataset}/classes.parquet",
        seen_catalogs=seen_files("catalog.parquet"),
        seen_classes=seen_files("classes.parquet"),
        folds=lambda w: PLAN.folds(subject_job(w)),
        trained_on=lambda w: PLAN.trained_on(subject_job(w)),
        learnt_from=lambda w: PLAN.learnt_from(subject_job(w)),
    output:
        directory("results/evaluate/{dataset}/{split}/{kind}/{name}"),
    log:
        "results/logs/evaluate/{dataset}/{split}/{kind}/{name}.log",
    priority: Priority.JUDGE
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(2000, 2),
        runtime=minutes(60, 0.1),
        in_turn=1,
    params:
        variants=lambda w: subject_job(w).variants,
        cells=lambda w: PLAN.requests(subject_job(w)),
        seed=CONFIG.seed,
        code=lambda w: code("judge.py", *PLAN.protocol_modules(subject_job(w))),
    message:
        "Judging {wildcards.kind}/{wildcards.name} on {wildcards.dataset}/{wildcards.split}"
    script:
        "../../scripts/judge.py"


rule judge_colour_histogram:
    input:
        splits=lambda w: PLAN.split_files(w.dataset, ("train", w.split)),
        catalog="results/acquire/{dataset}/catalog.parquet",
        classes="results/acquire/{dataset}/classes.parquet",
        seen_catalogs=seen_files("catalog.parquet"),
        seen_classes=seen_files("classes.parquet"),
    output:
        directory("results/evaluate/{dataset}/{split}/{kind}/{name}"),
    log:
        "results/logs/evaluate/{dataset}/{split}/{kind}/{name}.log",
    wildcard_constraints:
        kind=COLOUR_HISTOGRAM.kind,
        name=COLOUR_HISTOGRAM.name,
    priority: Priority.JUDGE
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(2000, 1),
        runtime=minutes(30, 0.1),
    params:
        cells=lambda w: PLAN.requests(subject_job(w)),
        seed=CONFIG.seed,
        code=code("judge_colour_histogram.py"),
    message:
        "Judging the colour histogram on {wildcards.dataset}/{wildcards.split}"
    script:
        "../../scripts/judge_colour_histogram.py"
