"""Acquire: sources become encoded images with a row for each, then a catalog, classes and splits.

Inputs:  what the config's `datasets.<name>.source` names (nothing for the synthetic worlds)
Outputs: results/acquire/<dataset>/parts/<part>/images/<tar>.tar, {rows,dropped}.parquet,
         manifest.json: the images, each once; of all parts {catalog,classes}.parquet,
         <split>/images.arrow (where each image lies), <split>/labels.arrow, manifest.json
         results/findings/<dataset>.json: what of the config cannot be trained or judged on it
Parts are acquired side by side. What a data set must stay apart from (`leakage`) is curated before it
and compared while it is curated. A changed split or a rule about duplicates reads no image again; a
folder whose files have changed is read again.
"""

from nicheclip.data.sources.changes import files_digest


rule acquire_part:
    input:
        lambda w: PLAN.source_files(w.dataset),
    output:
        rows="results/acquire/{dataset}/parts/{part}/rows.parquet",
        dropped="results/acquire/{dataset}/parts/{part}/dropped.parquet",
        images=directory("results/acquire/{dataset}/parts/{part}/images"),
        manifest="results/acquire/{dataset}/parts/{part}/manifest.json",
    log:
        "results/logs/acquire/{dataset}/{part}.log",
    # Both cores at once, before any job that would keep one of them for minutes.
    priority: Priority.ACQUIRE
    conda:
        "../../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=lambda w, attempt: acquire_memory(
            CONFIG.datasets[w.dataset].image, attempt
        ),
        runtime=minutes(240),
        downloads=1,
    params:
        config=lambda w: CONFIG.datasets[w.dataset].determines_images(),
        files=lambda w: files_digest(CONFIG.datasets[w.dataset].source),
        seed=CONFIG.seed,
        registry=str(PLAN.registry / "datasets"),
        code=lambda w: code("acquire_part.py", *PLAN.source_modules(w.dataset)),
    message:
        "Acquiring part {wildcards.part} of the data set {wildcards.dataset}"
    script:
        "../../scripts/acquire_part.py"


rule curate_dataset:
    input:
        rows=lambda w: expand(
            rules.acquire_part.output.rows,
            dataset=w.dataset,
            part=PLAN.parts(w.dataset),
        ),
        dropped=lambda w: expand(
            rules.acquire_part.output.dropped,
            dataset=w.dataset,
            part=PLAN.parts(w.dataset),
        ),
        judged=lambda w: PLAN.judged_files(w.dataset, "catalog.parquet"),
        judged_classes=lambda w: PLAN.judged_files(w.dataset, "classes.parquet"),
        names=lambda w: PLAN.compared_names(w.dataset),
    output:
        catalog="results/acquire/{dataset}/catalog.parquet",
        classes="results/acquire/{dataset}/classes.parquet",
        images=[f"results/acquire/{{dataset}}/{split}/images.arrow" for split in SPLITS],
        labels=[f"results/acquire/{{dataset}}/{split}/labels.arrow" for split in SPLITS],
        manifest="results/acquire/{dataset}/manifest.json",
    log:
        "results/logs/curate/{dataset}.log",
    priority: Priority.PREPARE
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory(1000, 5),
        runtime=minutes(60, 0.1),
    params:
        split=lambda w: CONFIG.datasets[w.dataset].determines_splits(),
        tars=lambda w: CONFIG.datasets[w.dataset].shards_of_part,
        expected=lambda w: PLAN.expected_images(w.dataset),
        unlabelled=lambda w: CONFIG.datasets[w.dataset].class_names(),
        leakage=lambda w: PLAN.leakage(w.dataset),
        seed=CONFIG.seed,
        code=code("curate_dataset.py"),
    message:
        "Curating the data set {wildcards.dataset}"
    script:
        "../../scripts/curate_dataset.py"


rule compare_with_catalog:
    input:
        catalog=rules.curate_dataset.output.catalog,
    output:
        "results/findings/{dataset}.json",
    log:
        "results/logs/findings/{dataset}.log",
    # Before anything is trained, but no input of it: another evaluation trains nothing again.
    priority: Priority.CHECK
    localrule: True
    conda:
        "../../envs/data.yaml"
    params:
        wanted=lambda w: settings(wanted(CONFIG, w.dataset)),
        code=code("compare_with_catalog.py"),
    message:
        "Comparing the config with the images of {wildcards.dataset}"
    script:
        "../../scripts/compare_with_catalog.py"
