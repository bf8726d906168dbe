"""Captions: a backend's replies, judged by the gates and shared out over the splits.

Inputs:  results/acquire/<dataset>/{catalog,classes}.parquet, the prompt or captions file
Outputs: results/captions/<captions>/captions.parquet, manifest.json
The cache of replies (cache.jsonl beside them) is no output: a killed job goes on from it.
"""


rule generate_captions:
    input:
        catalog=described("catalog.parquet"),
        classes=described("classes.parquet"),
        images=described("images"),
        source=caption_source,
    output:
        captions="results/captions/{captions}/captions.parquet",
        manifest="results/captions/{captions}/manifest.json",
    log:
        "results/logs/captions/{captions}.log",
    conda:
        "../../envs/caption.yaml"
    resources:
        mem_mb=caption_memory,
        runtime=minutes(240),
        gpu=lambda w: int(serves_a_model(w)),
        nodes=1,
    params:
        config=lambda w: settings(CONFIG.captions[w.captions]),
        seed=CONFIG.seed,
        prompts=str(REGISTRY / "prompts"),
        cache="results/captions/{captions}/cache.jsonl",
        code=code("generate_captions.py"),
    message:
        "Generating the captions {wildcards.captions}"
    script:
        "../../scripts/generate_captions.py"
