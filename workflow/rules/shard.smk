"""Shards: images and texts become WebDataset tars, one job for each part of a data set.

Inputs:  the outputs of acquire, taxonomy and captions
Outputs: results/shards/<dataset>/<split>/<part>.{tar,parquet}, <split>/index.arrow, manifest.json;
         whoever reads shards depends on the manifest alone
"""


rule write_shard:
    input:
        catalog=rules.curate_dataset.output.catalog,
        classes=rules.curate_dataset.output.classes,
        images=rules.acquire_dataset.output.images,
        texts=rules.flatten_taxonomy.output.texts,
        captions=lambda w: PLAN.dataset_captions(w.dataset),
    output:
        tars=[f"results/shards/{{dataset}}/{split}/{{part}}.tar" for split in SPLITS],
        indexes=[
            f"results/shards/{{dataset}}/{split}/{{part}}.parquet" for split in SPLITS
        ],
    log:
        "results/logs/shards/{dataset}/{part}.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory(1500, 2),
        runtime=minutes(60, 0.1),
    params:
        folder="results/shards/{dataset}",
        code=code("write_shard.py"),
    message:
        "Writing shard {wildcards.part} of {wildcards.dataset}"
    script:
        "../../scripts/write_shard.py"


rule index_shards:
    input:
        shards=lambda w: expand(
            [*rules.write_shard.output.tars, *rules.write_shard.output.indexes],
            dataset=w.dataset,
            part=PLAN.parts(w.dataset),
        ),
    output:
        indexes=[f"results/shards/{{dataset}}/{split}/index.arrow" for split in SPLITS],
        manifest="results/shards/{dataset}/manifest.json",
    log:
        "results/logs/shards/{dataset}.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory(1000),
        runtime=minutes(30),
    params:
        folder="results/shards/{dataset}",
        parts=lambda w: len(PLAN.parts(w.dataset)),
        code=code("index_shards.py"),
    message:
        "Joining the indexes of the shards of {wildcards.dataset}"
    script:
        "../../scripts/index_shards.py"
