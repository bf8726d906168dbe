"""Acquire: sources become encoded images with a row for each, then a catalog and classes.

Inputs:  what the config's `datasets.<name>.source` names (nothing for the synthetic worlds)
Outputs: results/acquire/<dataset>/images/<part>.parquet, {rows,dropped}.parquet, images.json (their
         manifest); of these {catalog,classes}.parquet, manifest.json
A changed split or a rule about duplicates reads no image again.
"""


rule acquire_dataset:
    input:
        lambda w: PLAN.source_files(w.dataset),
    output:
        rows="results/acquire/{dataset}/rows.parquet",
        dropped="results/acquire/{dataset}/dropped.parquet",
        images=directory("results/acquire/{dataset}/images"),
        manifest="results/acquire/{dataset}/images.json",
    log:
        "results/logs/acquire/{dataset}.log",
    conda:
        "../../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=memory(2000),
        runtime=minutes(240),
        downloads=1,
    params:
        config=lambda w: CONFIG.datasets[w.dataset].determines_images(),
        seed=CONFIG.seed,
        registry=str(PLAN.registry / "datasets"),
        code=lambda w: code("acquire_dataset.py", *PLAN.source_modules(w.dataset)),
    message:
        "Acquiring the data set {wildcards.dataset}"
    script:
        "../../scripts/acquire_dataset.py"


rule curate_dataset:
    input:
        rows=rules.acquire_dataset.output.rows,
        dropped=rules.acquire_dataset.output.dropped,
    output:
        catalog="results/acquire/{dataset}/catalog.parquet",
        classes="results/acquire/{dataset}/classes.parquet",
        manifest="results/acquire/{dataset}/manifest.json",
    log:
        "results/logs/curate/{dataset}.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory(1000, 10),
        runtime=minutes(60, 0.1),
    params:
        split=lambda w: CONFIG.datasets[w.dataset].determines_splits(),
        seed=CONFIG.seed,
        code=code("curate_dataset.py"),
    message:
        "Curating the data set {wildcards.dataset}"
    script:
        "../../scripts/curate_dataset.py"
