"""Captions: a backend's replies, judged by the gates and shared out over the splits.

Inputs:  results/acquire/<dataset>/{catalog,classes}.parquet, the prompt or captions file
Outputs: results/captions/<captions>/replies/<part>.parquet: what a server said,
         results/captions/<captions>/captions.parquet, manifest.json,
         results/texts/<dataset>/<split>.arrow: the caption of each image, in their order
Only asking needs a server; gates are changed without one. The caches of replies (cache/<part>.jsonl)
are no output: a killed job goes on from them. Tries, limits and prices are no params.
"""


rule ask_captions:
    input:
        catalog=lambda w: f"results/acquire/{CONFIG.captions[w.captions].dataset}/catalog.parquet",
        classes=lambda w: f"results/acquire/{CONFIG.captions[w.captions].dataset}/classes.parquet",
        splits=lambda w: PLAN.split_files(CONFIG.captions[w.captions].dataset),
        source=lambda w: PLAN.caption_sources(w.captions),
    output:
        replies="results/captions/{captions}/replies/{part}.parquet",
        manifest="results/captions/{captions}/replies/{part}.json",
    log:
        "results/logs/captions/{captions}/{part}.log",
    priority: Priority.PREPARE
    conda:
        "../../envs/caption.yaml"
    resources:
        mem_mb=lambda w, input, attempt: memory(PLAN.caption_memory(w.captions))(
            w, input, attempt
        ),
        runtime=minutes(240),
        gpu=lambda w: int(CONFIG.captions[w.captions].backend.starts_server),
        nodes=1,
    params:
        config=lambda w: in_order(CONFIG.captions[w.captions].asked()),
        seed=CONFIG.seed,
        prompts=str(PLAN.registry / "prompts"),
        cache="results/captions/{captions}/cache/{part}.jsonl",
        code=lambda w: code(
            "ask_captions.py", CONFIG.captions[w.captions].backend.module
        ),
    message:
        "Asking for the captions {wildcards.captions}, part {wildcards.part}"
    script:
        "../../scripts/ask_captions.py"


rule judge_captions:
    input:
        catalog=lambda w: f"results/acquire/{CONFIG.captions[w.captions].dataset}/catalog.parquet",
        classes=lambda w: f"results/acquire/{CONFIG.captions[w.captions].dataset}/classes.parquet",
        source=lambda w: PLAN.caption_sources(w.captions),
        replies=lambda w: PLAN.replies(w.captions),
        forbidden=lambda w: [
            f"results/acquire/{dataset}/classes.parquet"
            for dataset in CONFIG.captions[w.captions].gates.forbidden_classes
        ],
    output:
        captions="results/captions/{captions}/captions.parquet",
        manifest="results/captions/{captions}/manifest.json",
    log:
        "results/logs/captions/{captions}.log",
    priority: Priority.PREPARE
    conda:
        "../../envs/caption.yaml"
    resources:
        mem_mb=memory(2000, 20),
        runtime=minutes(60, 0.1),
    params:
        config=lambda w: in_order(CONFIG.captions[w.captions].judged()),
        seed=CONFIG.seed,
        prompts=str(PLAN.registry / "prompts"),
        code=lambda w: code(
            "judge_captions.py", *CONFIG.captions[w.captions].local_modules
        ),
    message:
        "Judging the captions {wildcards.captions}"
    script:
        "../../scripts/judge_captions.py"


rule assign_captions:
    input:
        splits=lambda w: PLAN.split_files(w.dataset),
        catalog="results/acquire/{dataset}/catalog.parquet",
        captions=lambda w: f"results/captions/{CONFIG.datasets[w.dataset].captions}/captions.parquet",
    output:
        [f"results/texts/{{dataset}}/{split}.arrow" for split in SPLITS],
    log:
        "results/logs/texts/{dataset}.log",
    priority: Priority.PREPARE
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=memory(1000, 10),
        runtime=minutes(30, 0.1),
    params:
        splits=SPLITS,
        code=code("assign_captions.py"),
    message:
        "Giving each image of {wildcards.dataset} its caption"
    script:
        "../../scripts/assign_captions.py"
