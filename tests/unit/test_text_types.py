import numpy as np
import polars as pl
import pytest

from nicheclip.config.text_sets import TemplateSet
from nicheclip.evaluation.predictions import read_group_predictions
from nicheclip.models.encode import ClipEncoder, encode_texts
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.features import read_features
from nicheclip.models.openclip import load, save
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import CATALOG, CLASSES, TEXTS
from small_evaluation import (
    cell_file,
    encode_all,
    judge_one,
    small_image_sets,
    tiny_clip,
    write_classes,
)

OPTIONS = {"protocols": ["text_types"], "seen_in": "squares", "text_types": ["sci", "com"]}
NAMES = {
    "sci": {"a": "Formica rufa", "b": "Apis mellifera", "c": "Felis catus"},
    "com": {"a": "red ant", "b": "honey bee", "c": "cat"},
}


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    """The folder of an encoded split, its model and its image features."""
    folder = tmp_path_factory.mktemp("cell")
    small_image_sets(folder)
    clip = tiny_clip(folder / "registry")
    save(clip, folder / "model")
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
    sets = [TemplateSet(templates="photo", text_type=text_type) for text_type in NAMES]
    encode_all(
        folder,
        "test",
        sets,
        lambda f: ClipEncoder(load(f), EncodeSettings(batch_size=4, device="cpu")),
    )
    # a and c alone have train images where seen classes come from
    catalog = pl.read_parquet(folder / "catalog.parquet").filter(pl.col("class_id") != "b")
    write_parquet(folder / "seen.parquet", catalog.to_arrow().cast(CATALOG))
    return folder, clip, read_features(folder / "features" / "seed0" / "images.safetensors")


def test_every_text_type_is_judged_among_every_group(cell):
    folder, clip, images = cell
    groups = {"all": ["a", "b", "c"], "seen": ["a", "c"]}
    metrics = judge_one(folder, "text_types", **OPTIONS)
    assert (metrics.protocol, metrics.n, metrics.classes) == ("text_types", 9, 3)
    assert metrics.counts == {"texts": 6, "texts_cut": 0}
    assert [d.key for d in metrics.excluded] == ["unseen", "unseen_known_genus", "unseen_new_genus"]
    assert {d.reason for d in metrics.excluded} == {"fewer than two classes to choose from"}
    found = read_group_predictions(cell_file(folder, "text_types", "predictions.parquet"))
    assert set(found) == {(t, g) for t in ("sci", "com") for g in ("all", "seen")}
    catalog = pl.read_parquet(folder / "catalog.parquet")
    truth = dict(catalog.select("image_id", "class_id").iter_rows())
    for text_type, group in found:
        # the best cosine by hand, among the images and classes of the group alone
        ids = [i for i in images.image_ids if truth[i] in groups[group]]
        sentences = [f"a {NAMES[text_type][c]}." for c in groups[group]]
        texts = encode_texts(clip, sentences, EncodeSettings(batch_size=8, device="cpu"))
        best = (images.rows(ids) @ texts.features.T).argmax(axis=1)
        hits = {i: groups[group][b] == truth[i] for i, b in zip(ids, best, strict=True)}
        judged = found[text_type, group]
        assert dict(zip(judged.image_ids, judged.correct(), strict=True)) == hits
        about = {"text_type": text_type, "group": group}
        top1 = metrics.find("top1", **about)
        assert top1.value == pytest.approx(np.mean(list(hits.values())))
        assert (top1.classes, top1.n) == (len(groups[group]), len(ids))
        assert top1.chance == pytest.approx(1 / len(groups[group]))
        assert metrics.find("top5", **about) is None
        assert top1.method.endswith("over classes")
        by_class = [
            np.mean([hits[i] for i in ids if truth[i] == class_id]) for class_id in groups[group]
        ]
        assert metrics.find("macro", **about).value == pytest.approx(np.mean(by_class))
    assert metrics.find("top1") is None


def test_one_class_leaves_nothing_to_choose(cell, tmp_path):
    folder = cell[0]
    table = pl.read_parquet(folder / "classes.parquet")
    write_parquet(tmp_path / "classes.parquet", table.head(1).to_arrow().cast(CLASSES))
    for name in ("catalog.parquet", "features"):
        (tmp_path / name).symlink_to(folder / name)
    with pytest.raises(InputError, match="needs two classes"):
        judge_one(tmp_path, "text_types", **OPTIONS)
