"""FungalZSL: Table 1 and figures 4 and 5.

Inputs:  results/evaluate/..., workflow/registry/tables/fungalzsl_1.csv
Outputs: results/tables/fungalzsl_1.{md,csv,tex,sources.csv}, results/figures/fungalzsl_*.{svg,png}
"""


rule fungalzsl_table_1:
    input:
        tabled(fungalzsl_cells()),
        published=str(REGISTRY / "tables" / "fungalzsl_1.csv"),
    output:
        **figure(
            "fungalzsl_1",
            category="FungalZSL",
            caption="../report/fungalzsl_1.rst",
            labels={"paper": "FungalZSL", "result": "Table 1 as a figure"},
        ),
        **table(
            "fungalzsl_1",
            category="FungalZSL",
            caption="../report/fungalzsl_1.rst",
            labels={"paper": "FungalZSL", "result": "Table 1"},
        ),
    log:
        "results/logs/tables/fungalzsl_1.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        rows=fungalzsl_cells(),
        scale=CONFIG.scale,
        code=code("fungalzsl_table_1.py"),
    message:
        "FungalZSL, Table 1"
    script:
        "../../scripts/fungalzsl_table_1.py"


rule fungalzsl_figure_4:
    input:
        sources=[
            fungalzsl_source(evaluation) for evaluation in FUNGALZSL.caption_sources
        ],
        classes=f"results/acquire/{CONFIG.evaluation[FUNGALZSL.evaluation].dataset}/classes.parquet",
    output:
        **figure(
            "fungalzsl_figure_4",
            category="FungalZSL",
            caption="../report/fungalzsl_figure_4.rst",
            labels={"paper": "FungalZSL", "result": "Figure 4"},
        ),
    log:
        "results/logs/figures/fungalzsl_figure_4.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        sources=FUNGALZSL.caption_sources,
        code=code("fungalzsl_figure_4.py"),
    message:
        "FungalZSL, Figure 4: class probabilities by source of texts"
    script:
        "../../scripts/fungalzsl_figure_4.py"


rule fungalzsl_figure_5:
    input:
        predictions=fungalzsl_source(FUNGALZSL.evaluation),
        shards=split_shards(
            CONFIG.evaluation[FUNGALZSL.evaluation].dataset,
            CONFIG.evaluation[FUNGALZSL.evaluation].split,
        ),
        classes=f"results/acquire/{CONFIG.evaluation[FUNGALZSL.evaluation].dataset}/classes.parquet",
    output:
        **figure(
            "fungalzsl_figure_5",
            category="FungalZSL",
            caption="../report/fungalzsl_figure_5.rst",
            labels={"paper": "FungalZSL", "result": "Figure 5"},
        ),
    log:
        "results/logs/figures/fungalzsl_figure_5.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        seed=CONFIG.seed,
        code=code("fungalzsl_figure_5.py"),
    message:
        "FungalZSL, Figure 5: a grid of predictions"
    script:
        "../../scripts/fungalzsl_figure_5.py"


rule fungalzsl:
    input:
        fungalzsl_outputs(),
    localrule: True
