"""Evaluate: a model folder and shards become predictions and metrics, one cell per job.

Inputs:  a model folder (results/models/... or results/train/...), results/shards/<dataset>/<split>
Outputs: results/features/<dataset>/<split>/<origin>/<name>/<initial>/features.safetensors and
         results/evaluate/<evaluation>/<origin>/<name>/<initial>/<protocol>/{metrics.json,...}
A cluster's profile may join the encoding of a split by a model and what is judged from it to one
job; the resource `in_turn` lets that job do them one after another, with the memory of one.
"""

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
        runtime=minutes(60, 0.01 if CONFIG.encoding.gpu else 0.1),
        gpu=CONFIG.encoding.gpu,
        nodes=1,
        in_turn=1,
    params:
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
        seen_catalog=seen_data("catalog.parquet"),
        seen_classes=seen_data("classes.parquet"),
    output:
        predictions=f"{CELL}/zero_shot/predictions.parquet",
        metrics=f"{CELL}/zero_shot/metrics.json",
    log:
        "results/logs/evaluate/{evaluation}/{origin}/{name}/{initial}/zero_shot.log",
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(4000, 1),
        runtime=minutes(30, 0.1),
        gpu=CONFIG.encoding.gpu,
        nodes=1,
        in_turn=1,
    params:
        cell=cell,
        config=lambda w: settings(CONFIG.evaluation[w.evaluation]),
        seed=CONFIG.seed,
        batch_size=CONFIG.encoding.batch_size,
        gpu=CONFIG.encoding.gpu,
        code=code("evaluate_zero_shot.py"),
    message:
        "Zero-shot {wildcards.evaluation}: {wildcards.origin}/{wildcards.name}/{wildcards.initial}"
    script:
        "../../scripts/evaluate_zero_shot.py"


rule evaluate_text_types:
    input:
        model=model_files(MODEL_FOLDER),
        features=evaluated_features,
        catalog=evaluated_data("results/acquire/{dataset}/catalog.parquet"),
        classes=evaluated_data("results/acquire/{dataset}/classes.parquet"),
        texts=evaluated_data("results/taxonomy/{dataset}/texts.parquet"),
        class_texts=class_text_source,
        seen_catalog=seen_data("catalog.parquet"),
        seen_classes=seen_data("classes.parquet"),
    output:
        predictions=f"{CELL}/text_types/predictions.parquet",
        metrics=f"{CELL}/text_types/metrics.json",
    log:
        "results/logs/evaluate/{evaluation}/{origin}/{name}/{initial}/text_types.log",
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(4000, 1),
        runtime=minutes(60, 0.1),
        gpu=CONFIG.encoding.gpu,
        nodes=1,
        in_turn=1,
    params:
        cell=cell,
        config=lambda w: settings(CONFIG.evaluation[w.evaluation]),
        seed=CONFIG.seed,
        batch_size=CONFIG.encoding.batch_size,
        gpu=CONFIG.encoding.gpu,
        code=code("evaluate_text_types.py"),
    message:
        "Text types {wildcards.evaluation}: {wildcards.origin}/{wildcards.name}/{wildcards.initial}"
    script:
        "../../scripts/evaluate_text_types.py"


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
        runtime=minutes(30, 0.1),
        gpu=CONFIG.encoding.gpu,
        nodes=1,
        in_turn=1,
    params:
        cell=cell,
        config=lambda w: settings(CONFIG.evaluation[w.evaluation]),
        seed=CONFIG.seed,
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
        classes=evaluated_data("results/acquire/{dataset}/classes.parquet"),
        seen_catalog=seen_data("catalog.parquet"),
        seen_classes=seen_data("classes.parquet"),
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
        classes=evaluated_data("results/acquire/{dataset}/classes.parquet"),
        seen_catalog=seen_data("catalog.parquet"),
        seen_classes=seen_data("classes.parquet"),
        folds=rules.draw_folds.output.folds,
    output:
        metrics=f"{CELL}/few_shot/metrics.json",
    log:
        "results/logs/evaluate/{evaluation}/{origin}/{name}/{initial}/few_shot.log",
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(1500, 2),
        runtime=minutes(30, 0.1),
        in_turn=1,
    params:
        cell=cell,
        config=lambda w: settings(CONFIG.evaluation[w.evaluation]),
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
        seen_catalog=seen_data("catalog.parquet"),
        seen_classes=seen_data("classes.parquet"),
    output:
        predictions="results/evaluate/{evaluation}/baseline/colour_histogram/predictions.parquet",
        metrics="results/evaluate/{evaluation}/baseline/colour_histogram/metrics.json",
    log:
        "results/logs/evaluate/{evaluation}/colour_histogram.log",
    conda:
        "../../envs/evaluate.yaml"
    resources:
        mem_mb=memory(2000, 1),
        runtime=minutes(30, 0.1),
    params:
        cell=cell,
        config=lambda w: settings(CONFIG.evaluation[w.evaluation]),
        seed=CONFIG.seed,
        code=code("evaluate_colour_histogram.py"),
    message:
        "Colour histogram baseline of {wildcards.evaluation}"
    script:
        "../../scripts/evaluate_colour_histogram.py"
