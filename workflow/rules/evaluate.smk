"""Evaluate: models and shards become features, predictions and metrics.

Inputs:  model folders (results/models/...), results/shards/<dataset>, class texts
Outputs: results/features/<dataset>/<split>/<kind>/<name>/manifest.json, the features beside it, and
         results/evaluate/<dataset>/<split>/<kind>/<name>/<variant>/<evaluation>/<protocol>/...
A job takes all variants (seeds) of a subject on one split: `encode` both sides, images and class
texts, and `judge` all protocols of all evaluations, without torch.
"""


def subject_job(w):
    return PLAN.subject_job(w.dataset, w.split, w.kind, w.name)


rule encode:
    input:
        models=lambda w: subject_job(w).model_files,
        shards="results/shards/{dataset}/manifest.json",
        catalog="results/acquire/{dataset}/catalog.parquet",
        classes="results/acquire/{dataset}/classes.parquet",
        texts="results/taxonomy/{dataset}/texts.parquet",
        class_texts=lambda w: PLAN.text_files(subject_job(w)),
    output:
        manifest="results/features/{dataset}/{split}/{kind}/{name}/manifest.json",
    log:
        "results/logs/features/{dataset}/{split}/{kind}/{name}.log",
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
        text_sets=lambda w: PLAN.text_sets(subject_job(w)),
        batch_size=CONFIG.encoding.batch_size,
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
        seen=lambda w: PLAN.seen_files_of(w.evaluation),
    output:
        folds="results/folds/{evaluation}/{dataset}.parquet",
    log:
        "results/logs/folds/{evaluation}/{dataset}.log",
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(1000, 10),
        runtime=minutes(15),
    params:
        options=lambda w: CONFIG.evaluation[w.evaluation].options("few_shot"),
        split=lambda w: CONFIG.evaluation[w.evaluation].split,
        seed=CONFIG.seed,
        code=code("draw_folds.py"),
    message:
        "Drawing the support sets of {wildcards.evaluation} on {wildcards.dataset}"
    script:
        "../../scripts/draw_folds.py"
