"""Description files that others have published, through `replay` and the gates.

`pytest -s` prints the table of docs/captions.md.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from caption_tables import catalog_table, class_table
from nicheclip.captions.caption_set import make_caption_set
from nicheclip.config.captions import CaptionConfig
from nicheclip.data.description_files import read_descriptions, read_mapping

DATA = os.environ.get("NICHECLIP_REAL_DATA")
FAMILIES = {
    "CuPL, as WCA has it": "t-wca/prompts/*/cupl.json",
    "WCA (base, full)": "t-wca/prompts/*/[bf][au][sl][el].json",
    "DCLIP": "t-wca/prompts/*/clip-d.json",
    "WaffleCLIP": "t-waffle/descriptors/*.json",
    "MetaPrompt, GPT": "t-metaprompt/descriptions/gpt/*.json",
    "MetaPrompt, Mixtral": "t-metaprompt/descriptions/mixtral/*.json",
    "GPT-4 dictionaries": "t-vdt-gpt4/gpt4_data/*.pt",
}
#: descriptors are no sentences
GATES = {"complete_sentence": False, "min_words": 1, "max_words": 60}

pytestmark = pytest.mark.skipif(not DATA, reason="NICHECLIP_REAL_DATA names no folder of real data")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_file_is_read_and_its_texts_are_judged(family, tmp_path):
    files = sorted(Path(str(DATA)).glob(FAMILIES[family]))
    assert files
    counts, flaws = Counter(), Counter()
    for number, file in enumerate(files):
        content = read_mapping(file)
        # classes that have no text at all would stop the job, as they should
        names = {f"c{place}": key for place, key in enumerate(content)}
        flaws.update(vars(read_descriptions(file, names, {})[1]))
        filled = {place: key for place, key in names.items() if any(map(str.strip, content[key]))}
        config = {
            "dataset": "d",
            "backend": {"kind": "replay", "path": str(file)},
            "samples": max(map(len, content.values())),
            "gates": GATES,
        }
        made = make_caption_set(
            CaptionConfig.model_validate(config),
            classes=class_table(filled),
            catalog=catalog_table({}),
            replies=[],
            prompts=tmp_path,
            seed=0,
            target=tmp_path / f"{number}.parquet",
        )
        assert made.counts["generated"] == sum(len(content[key]) for key in filled.values())
        counts.update({"files": 1, "classes": len(content), **made.counts})
    rejected = {n: c for n, c in counts.items() if n.startswith("rejected_")}
    assert counts["accepted"] + sum(rejected.values()) >= counts["generated"]
    top = ", ".join(
        f"{n.removeprefix('rejected_')} {c}" for n, c in Counter(rejected).most_common()
    )
    faults = ", ".join(f"{n.replace('_', ' ')} {c}" for n, c in flaws.items() if c)
    print(
        f"\n| {family} | {counts['files']} | {counts['classes']} | {counts['generated']} | "
        f"{counts['accepted']} | {top} | {faults or '-'} |"
    )
