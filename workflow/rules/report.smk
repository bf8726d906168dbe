"""Report: metrics and predictions become tables, figures and one page with all of them.

Inputs:  results/evaluate/..., results/train/..., workflow/registry/tables/
Outputs: results/tables/<name>.{md,csv,tex,sources.csv}, results/figures/<name>.{svg,png},
         results/report.html
"""


rule plot_training:
    input:
        lambda w: [
            f"results/train/{w.run}/seed{seed}/history.csv"
            for seed in CONFIG.training[w.run].seeds
        ],
    output:
        **figure(
            "training/{run}",
            category="Training",
            caption="../report/training.rst",
            labels={"run": "{run}", "figure": "curves"},
        ),
    log:
        "results/logs/figures/training/{run}.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        seeds=lambda w: CONFIG.training[w.run].seeds,
        code=code("plot_training.py"),
    message:
        "Training curves of {wildcards.run}"
    script:
        "../../scripts/plot_training.py"


rule plot_confusion:
    input:
        predictions="results/evaluate/{evaluation}/train/{run}/seed{seed}/zero_shot/predictions.parquet",
        classes=evaluated_data("results/acquire/{dataset}/classes.parquet"),
    output:
        **figure(
            "confusion/{evaluation}/{run}-seed{seed}",
            category="Evaluation",
            caption="../report/confusion.rst",
            labels={
                "run": "{run}, seed {seed}",
                "figure": "confusion, {evaluation}",
            },
        ),
    log:
        "results/logs/figures/confusion/{evaluation}/{run}-seed{seed}.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        code=code("plot_confusion.py"),
    message:
        "Confusion matrix of {wildcards.run} (seed {wildcards.seed}), {wildcards.evaluation}"
    script:
        "../../scripts/plot_confusion.py"


rule plot_embedding:
    input:
        features="results/features/{dataset}/{split}/{origin}/{name}/{initial}/features.safetensors",
        catalog=rules.acquire_dataset.output.catalog,
        classes=rules.acquire_dataset.output.classes,
    output:
        **figure(
            "embedding/{dataset}/{split}/{origin}-{name}-{initial}",
            category="Evaluation",
            caption="../report/embedding.rst",
            labels={
                "run": "{origin}, {name}, {initial}",
                "figure": "embedding, {dataset}/{split}",
            },
        ),
    log:
        "results/logs/figures/embedding/{dataset}/{split}/{origin}-{name}-{initial}.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        code=code("plot_embedding.py"),
    message:
        "Embedding of {wildcards.dataset}/{wildcards.split} by {wildcards.name} ({wildcards.origin})"
    script:
        "../../scripts/plot_embedding.py"


rule tabulate_cells:
    input:
        metrics=lambda w: evaluation_cells(w.evaluation),
    output:
        **table(
            "evaluation/{evaluation}",
            category="Evaluation",
            caption="../report/evaluation.rst",
            labels={"run": "all", "figure": "table, {evaluation}"},
        ),
    log:
        "results/logs/tables/evaluation/{evaluation}.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        scale=CONFIG.scale,
        code=code("tabulate_cells.py"),
    message:
        "Table of everything that {wildcards.evaluation} judges"
    script:
        "../../scripts/tabulate_cells.py"


if CONFIG.papers.fungalzsl:

    include: "fungalzsl.smk"


if CONFIG.papers.bioclip:

    include: "bioclip.smk"


rule write_config:
    output:
        "results/config.json",
    log:
        "results/logs/config.log",
    localrule: True
    conda:
        "../../envs/driver.yaml"
    params:
        config=config,
        code=code("write_config.py"),
    message:
        "The config of this run"
    script:
        "../../scripts/write_config.py"


rule write_report:
    input:
        reported_tables(),
        reported_figures(),
        config=rules.write_config.output,
    output:
        "results/report.html",
    log:
        "results/logs/report.log",
    localrule: True
    conda:
        "../../envs/driver.yaml"
    params:
        snakefile=SNAKEFILE,
        code=code("write_report.py"),
    message:
        "The report of all tables and figures: {output}"
    script:
        "../../scripts/write_report.py"
