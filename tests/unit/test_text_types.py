import numpy as np
import polars as pl
import pytest

from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.evaluation.predictions import read_group_predictions
from nicheclip.evaluation.text_types import evaluate_text_types
from nicheclip.models.encode import encode_images, encode_texts
from nicheclip.models.features import write_features
from nicheclip.models.openclip import save
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import TEXTS
from small_evaluation import CELL, small_shards, tiny_clip, write_classes

CONFIG = EvaluationConfig(
    dataset="squares",
    protocols=["text_types"],
    seen_in="squares",
    text_types=["sci", "com"],
    bootstrap=200,
)
NAMES = {
    "sci": {"a": "Formica rufa", "b": "Apis mellifera", "c": "Felis catus"},
    "com": {"a": "red ant", "b": "honey bee", "c": "cat"},
}


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    """A function that judges the cell among given groups, and the folder of its files."""
    folder = tmp_path_factory.mktemp("cell")
    shards = small_shards(folder)["test"]
    clip = tiny_clip(folder / "registry")
    save(clip, folder / "model")
    images = encode_images(clip, shards, batch_size=4)
    write_features(folder / "features", images)
    write_classes(folder / "classes.parquet")
    rows = [
        {
            "class_id": class_id,
            "taxon_id": None,
            "text_type": text_type,
            "name": name,
            "text": name,
        }
        for text_type, names in NAMES.items()
        for class_id, name in names.items()
    ]
    write_parquet(folder / "texts.parquet", pl.DataFrame(rows).to_arrow().cast(TEXTS))
    (folder / "photo.yaml").write_text("templates: ['a {}.']\n")

    def judge(groups):
        return evaluate_text_types(
            CELL,
            CONFIG,
            model=folder / "model",
            features=folder / "features",
            catalog=folder / "catalog.parquet",
            classes=folder / "classes.parquet",
            texts=folder / "texts.parquet",
            templates=folder / "photo.yaml",
            groups=groups,
            seed=0,
            batch_size=8,
            device="cpu",
            predictions=folder / "predictions.parquet",
            metrics=folder / "metrics.json",
        )

    return judge, folder, clip, images


def test_every_text_type_is_judged_among_every_group(cell):
    judge, folder, clip, images = cell
    groups = {"all": ["a", "b", "c"], "seen": ["a", "c"], "unseen": ["b"]}
    metrics = judge(groups)
    assert (metrics.protocol, metrics.n, metrics.classes) == ("text_types", 9, 3)
    assert metrics.counts == {"texts": 6, "texts_cut": 0}
    assert [d.key for d in metrics.excluded] == ["unseen", "unseen_known_genus", "unseen_new_genus"]
    assert {d.reason for d in metrics.excluded} == {"fewer than two classes to choose from"}
    found = read_group_predictions(folder / "predictions.parquet")
    assert set(found) == {(t, g) for t in ("sci", "com") for g in ("all", "seen")}
    catalog = pl.read_parquet(folder / "catalog.parquet")
    truth = dict(catalog.select("image_id", "class_id").iter_rows())
    for text_type, group in found:
        # the best cosine by hand, among the images and classes of the group alone
        ids = [i for i in images.image_ids if truth[i] in groups[group]]
        sentences = [f"a {NAMES[text_type][c]}." for c in groups[group]]
        texts = encode_texts(clip, sentences, batch_size=8, device="cpu")
        best = (images.rows(ids) @ texts.features.T).argmax(axis=1)
        hits = {i: groups[group][b] == truth[i] for i, b in zip(ids, best, strict=True)}
        judged = found[text_type, group]
        assert dict(zip(judged.image_ids, judged.correct(), strict=True)) == hits
        entry = metrics.group(text_type, group)
        assert entry.top1.value == pytest.approx(np.mean(list(hits.values())))
        assert (entry.classes, entry.top1.n) == (len(groups[group]), len(ids))
        assert entry.top1.chance == pytest.approx(1 / len(groups[group])) and entry.top5 is None
        assert entry.top1.interval.method.endswith("over classes")
    assert metrics.top1 is None


def test_one_class_leaves_nothing_to_choose(cell):
    with pytest.raises(InputError, match="needs two classes"):
        cell[0]({"all": ["a"]})
