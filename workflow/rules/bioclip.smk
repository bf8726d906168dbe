"""BioCLIP: text types, their ablation, few-shot, ranks, the tree of life.

Inputs:  results/evaluate/..., results/features/..., workflow/registry/tables/bioclip_rare_species.csv
Outputs: results/tables/bioclip_*.{md,html,csv,tex,sources.csv}, results/figures/bioclip_*.{svg,png}
"""

BIOCLIP_TASK = CONFIG.evaluation[BIOCLIP.evaluation]


rule bioclip_text_types:
    input:
        tabled(bioclip_cells(BIOCLIP.rows)),
    output:
        **figure(
            "bioclip_text_types",
            category="BioCLIP",
            caption="../report/bioclip_text_types.rst",
            labels={"paper": "BioCLIP", "result": "Text types as a figure"},
        ),
        **table(
            "bioclip_text_types",
            category="BioCLIP",
            caption="../report/bioclip_text_types.rst",
            labels={"paper": "BioCLIP", "result": "Text types"},
        ),
    log:
        "results/logs/tables/bioclip_text_types.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        rows=bioclip_cells(BIOCLIP.rows),
        text_types=BIOCLIP_TASK.text_types,
        scale=CONFIG.scale,
        code=code("bioclip_text_types.py"),
    message:
        "BioCLIP: zero-shot accuracy by text type"
    script:
        "../../scripts/bioclip_text_types.py"


rule bioclip_ablation:
    input:
        tabled(bioclip_cells(BIOCLIP.ablation)),
    output:
        **table(
            "bioclip_ablation",
            category="BioCLIP",
            caption="../report/bioclip_ablation.rst",
            labels={"paper": "BioCLIP", "result": "Text-type ablation"},
        ),
    log:
        "results/logs/tables/bioclip_ablation.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        rows=bioclip_cells(BIOCLIP.ablation),
        text_types=BIOCLIP_TASK.text_types,
        scale=CONFIG.scale,
        code=code("bioclip_ablation.py"),
    message:
        "BioCLIP: the text-type ablation"
    script:
        "../../scripts/bioclip_ablation.py"


rule bioclip_few_shot:
    input:
        tabled(bioclip_cells(BIOCLIP.rows)),
        [tabled(task["rows"]) for task in bioclip_few_shot_tasks()],
        published=str(REGISTRY / "tables" / "bioclip_rare_species.csv"),
    output:
        **figure(
            "bioclip_few_shot",
            category="BioCLIP",
            caption="../report/bioclip_few_shot.rst",
            labels={"paper": "BioCLIP", "result": "Few-shot as a figure"},
        ),
        **table(
            "bioclip_few_shot",
            category="BioCLIP",
            caption="../report/bioclip_few_shot.rst",
            labels={"paper": "BioCLIP", "result": "Few-shot"},
        ),
    log:
        "results/logs/tables/bioclip_few_shot.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        zero_shot=bioclip_cells(BIOCLIP.rows),
        tasks=bioclip_few_shot_tasks(),
        text_type=BIOCLIP.text_type,
        scale=CONFIG.scale,
        code=code("bioclip_few_shot.py"),
    message:
        "BioCLIP: zero-shot and few-shot accuracy"
    script:
        "../../scripts/bioclip_few_shot.py"


rule bioclip_ranks:
    input:
        tabled(bioclip_cells(BIOCLIP.rows)),
        predictions=bioclip_predictions([*BIOCLIP.rows.values()][0])[0],
        classes=f"results/acquire/{BIOCLIP_TASK.dataset}/classes.parquet",
    output:
        **figure(
            "bioclip_ranks",
            category="BioCLIP",
            caption="../report/bioclip_ranks.rst",
            labels={"paper": "BioCLIP", "result": "Accuracy by rank as a figure"},
        ),
        **table(
            "bioclip_ranks",
            category="BioCLIP",
            caption="../report/bioclip_ranks.rst",
            labels={"paper": "BioCLIP", "result": "Accuracy by rank"},
        ),
    log:
        "results/logs/tables/bioclip_ranks.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        rows=bioclip_cells(BIOCLIP.rows),
        text_type=BIOCLIP.text_type,
        scale=CONFIG.scale,
        code=code("bioclip_ranks.py"),
    message:
        "BioCLIP: accuracy at each rank"
    script:
        "../../scripts/bioclip_ranks.py"


rule bioclip_taxonomy_effect:
    input:
        [file for arm in bioclip_arms().values() for file in arm["predictions"]],
    output:
        **figure(
            "bioclip_taxonomy_effect",
            category="BioCLIP",
            caption="../report/bioclip_taxonomy_effect.rst",
            labels={"paper": "BioCLIP", "result": "Effect of the text as a figure"},
        ),
        **table(
            "bioclip_taxonomy_effect",
            category="BioCLIP",
            caption="../report/bioclip_taxonomy_effect.rst",
            labels={"paper": "BioCLIP", "result": "Effect of the text"},
        ),
    log:
        "results/logs/tables/bioclip_taxonomy_effect.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        arms=bioclip_arms(),
        comparisons=BIOCLIP.comparisons,
        bootstrap=BIOCLIP_TASK.bootstrap,
        confidence=BIOCLIP_TASK.confidence,
        seed=CONFIG.seed,
        scale=CONFIG.scale,
        code=code("bioclip_taxonomy_effect.py"),
    message:
        "BioCLIP: what taxonomic text changes"
    script:
        "../../scripts/bioclip_taxonomy_effect.py"


rule bioclip_tree:
    input:
        features=bioclip_features(),
        catalog=f"results/acquire/{BIOCLIP_TASK.dataset}/catalog.parquet",
        classes=f"results/acquire/{BIOCLIP_TASK.dataset}/classes.parquet",
    output:
        **figure(
            "bioclip_tree",
            category="BioCLIP",
            caption="../report/bioclip_tree.rst",
            labels={"paper": "BioCLIP", "result": "Tree of life"},
        ),
    log:
        "results/logs/figures/bioclip_tree.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        labels=["before training", "trained"],
        split=BIOCLIP_TASK.split,
        seed=CONFIG.seed,
        title=marked(
            f"BioCLIP: the tree of life in the features of {BIOCLIP.figures_from}",
            CONFIG.scale,
        ),
        code=code("bioclip_tree.py"),
    message:
        "BioCLIP: the tree of life in the embedding"
    script:
        "../../scripts/bioclip_tree.py"


rule bioclip_distances:
    input:
        features=bioclip_features(),
        catalog=f"results/acquire/{BIOCLIP_TASK.dataset}/catalog.parquet",
        classes=f"results/acquire/{BIOCLIP_TASK.dataset}/classes.parquet",
    output:
        **figure(
            "bioclip_distances",
            category="BioCLIP",
            caption="../report/bioclip_distances.rst",
            labels={"paper": "BioCLIP", "result": "Distances"},
        ),
        json="results/figures/bioclip_distances.json",
    log:
        "results/logs/figures/bioclip_distances.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        labels=["before training", "trained"],
        split=BIOCLIP_TASK.split,
        seed=CONFIG.seed,
        resamples=BIOCLIP_TASK.bootstrap,
        confidence=BIOCLIP_TASK.confidence,
        title=marked(
            f"BioCLIP: distance in the features of {BIOCLIP.figures_from} and in the tree",
            CONFIG.scale,
        ),
        code=code("bioclip_distances.py"),
    message:
        "BioCLIP: embedding distance against tree distance"
    script:
        "../../scripts/bioclip_distances.py"


rule bioclip:
    input:
        bioclip_outputs(),
    localrule: True
