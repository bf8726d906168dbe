"""Features are kept by content: what is encoded again, and what is not."""

import numpy as np
import polars as pl
import pytest

from nicheclip.config.text_sets import CaptionSet, GallerySet, TemplateSet
from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation.encoding import write_manifest
from nicheclip.evaluation.feature_files import image_file, text_file
from nicheclip.evaluation.text_sets import read_class_embeddings
from nicheclip.models.features import ImageFeatures, TextFeatures, l2_normalise, read_features
from nicheclip.runtime.files import read_json, sha256_file, write_parquet
from nicheclip.runtime.manifest import ManifestWriter
from nicheclip.schemas import CATALOG
from small_evaluation import (
    encode_all,
    image_id,
    small_image_sets,
    tiny_clip,
    write_captions,
    write_classes,
    write_image_sets,
    write_texts,
)

TEMPLATES = TemplateSet(templates="photo", text_type="com")
CAPTIONS = CaptionSet(captions="c", split="all")
SETS = [TEMPLATES, CAPTIONS, GallerySet()]


class FakeEncoder:
    """Random features; writes down what it encoded."""

    logit_scale = 20.0

    def __init__(self, folder, asked, fails=None):
        self._name, self._asked, self._fails = folder.name, asked, fails

    def images(self, images):
        return ImageFeatures(self._encode("images", len(images)), images.image_ids)

    def texts(self, texts):
        return TextFeatures(self._encode("texts", len(texts)), np.zeros(len(texts), bool))

    def _encode(self, kind, count):
        if self._fails == kind:
            raise KeyboardInterrupt
        self._asked.append((self._name, kind, count))
        return l2_normalise(np.random.default_rng(count).normal(size=(count, 4)))


@pytest.fixture
def world(tmp_path):
    """A folder with a split, texts and two models, and a function that encodes it all."""
    small_image_sets(tmp_path)
    write_classes(tmp_path / "classes.parquet")
    write_texts(tmp_path / "texts.parquet")
    (tmp_path / "photo.yaml").write_text("templates: ['a {}.']\n")
    write_captions(tmp_path / "captions.parquet", [(c, f"a {c}", "accepted", "all") for c in "abc"])
    for seed in ("seed0", "seed1"):
        (tmp_path / seed).mkdir()
        for name in ("open_clip_config.json", "open_clip_model.safetensors"):
            (tmp_path / seed / name).write_text(f"{name} of {seed}")

    def encode(sets=SETS, seeds=("seed0",), fails=None, **method):
        asked = []
        models = {seed: tmp_path / seed for seed in seeds}
        files = encode_all(
            tmp_path, "test", sets, lambda f: FakeEncoder(f, asked, fails), models, **method
        )
        assert sum(not file.reused for file in files) == len(asked)
        return asked

    return tmp_path, encode


EVERYTHING = [("seed0", kind, n) for kind, n in [("images", 9), ("texts", 3), ("texts", 3)]]
EVERYTHING.append(("seed0", "texts", 9))


def test_a_second_run_encodes_nothing_and_opens_no_model(world):
    folder, encode = world
    assert encode() == EVERYTHING
    before = {path: path.read_bytes() for path in folder.glob("features/**/*.safetensors")}
    assert len(before) == 4
    assert encode() == []
    assert {path: path.read_bytes() for path in before} == before


def test_the_manifest_lists_every_file_and_which_were_kept(world):
    folder, encode = world
    encode()
    models = {"seed0": folder / "seed0", "seed1": folder / "seed1"}
    files = encode_all(folder, "test", SETS, lambda f: FakeEncoder(f, []), models)
    path = folder / "features" / "manifest.json"
    write_manifest(ManifestWriter("encode", config={}, code="c"), path, files)
    manifest = read_json(path)
    assert len(manifest["outputs"]) == 8
    first = image_file(folder / "features", "seed0")
    assert manifest["outputs"]["seed0/images.safetensors"] == sha256_file(first)
    # 9 images, 3 and 3 class texts and 9 captions of the second seed
    assert manifest["counts"] == {"files": 8, "reused": 4, "encoded": 24}
    assert {entry["key"].split("/")[0] for entry in manifest["noted"]} == {"seed0"}


def test_an_added_seed_is_encoded_alone(world):
    _, encode = world
    encode()
    assert {name for name, _, _ in encode(seeds=("seed0", "seed1"))} == {"seed1"}


def edit_template(folder):
    (folder / "photo.yaml").write_text("templates: ['a {}.', 'the {}.']\n")


def test_another_precision_encodes_anew_and_the_plain_one_has_the_key_it_had(world):
    _, encode = world
    encode()
    assert encode(precision="float32") == []
    assert encode(precision="bfloat16") == EVERYTHING
    assert encode(precision="bfloat16") == [] and encode() == EVERYTHING


def edit_captions(folder):
    rows = [("a", "new", "accepted", "all"), ("b", "b", "accepted", "all")]
    write_captions(folder / "captions.parquet", rows)


def edit_own_captions(folder):
    """Other captions of the same images."""
    write_image_sets(
        folder, pl.read_parquet(folder / "catalog.parquet"), {image_id(12): "only one"}
    )


def edit_image(folder):
    """The source's bytes of one image are others."""
    catalog = pl.read_parquet(folder / "catalog.parquet")
    changed = pl.when(pl.col("image_id") == image_id(15)).then(pl.lit("f" * 64))
    catalog = catalog.with_columns(sha256=changed.otherwise("sha256"))
    write_parquet(folder / "catalog.parquet", catalog.to_arrow().cast(CATALOG))


def edit_model(folder):
    (folder / "seed0" / "open_clip_model.safetensors").write_text("other weights")


@pytest.mark.parametrize(
    ("edit", "again"),
    [
        (edit_template, [("texts", 6)]),
        (edit_captions, [("texts", 2)]),
        (edit_own_captions, [("texts", 1)]),
        (edit_image, [("images", 9)]),
        (edit_model, [entry[1:] for entry in EVERYTHING]),
    ],
)
def test_an_edit_encodes_just_what_follows_from_it(world, edit, again):
    folder, encode = world
    encode()
    edit(folder)
    assert [entry[1:] for entry in encode()] == again
    assert encode() == []


@pytest.mark.parametrize(
    ("method", "kinds"),
    [
        ({"batch_size": 5}, {"images", "texts"}),
        ({"device": "cuda"}, {"images", "texts"}),
        ({"image_code": "new"}, {"images"}),
        ({"text_code": "new"}, {"texts"}),
    ],
)
def test_another_method_encodes_again(world, method, kinds):
    _, encode = world
    encode()
    assert {kind for _, kind, _ in encode(**method)} == kinds


def test_a_killed_job_goes_on_where_it_was(world):
    folder, encode = world
    with pytest.raises(KeyboardInterrupt):
        encode(fails="texts")
    assert image_file(folder / "features", "seed0").is_file()
    assert encode() == EVERYTHING[1:]
    path = text_file(folder / "features", "seed0", CAPTIONS.name)
    path.write_bytes(path.read_bytes()[:-1])
    assert encode() == [("seed0", "texts", 3)]


def test_files_that_nobody_asks_for_any_more_are_removed(world):
    folder, encode = world
    encode(seeds=("seed0", "seed1"))
    encode(sets=[TEMPLATES], seeds=("seed1",))
    left = {str(p.relative_to(folder / "features")) for p in folder.glob("features/**/*.*")}
    assert left == {"seed1/images.safetensors", f"seed1/texts/{TEMPLATES.name}.safetensors"}
    assert not (folder / "features" / "seed0").exists()


def test_a_real_model_gives_its_own_features_and_the_same_bytes_each_time(tmp_path):
    from nicheclip.models.encode import ClipEncoder, encode_images, encode_texts
    from nicheclip.models.encode_settings import EncodeSettings
    from nicheclip.models.openclip import load, save

    small_image_sets(tmp_path)
    clip = tiny_clip(tmp_path / "registry")
    save(clip, tmp_path / "model")
    write_texts(tmp_path / "texts.parquet")
    (tmp_path / "photo.yaml").write_text("templates: ['a {}.']\n")

    def encode():
        return encode_all(
            tmp_path,
            "test",
            [TEMPLATES],
            lambda folder: ClipEncoder(load(folder), EncodeSettings(batch_size=4, device="cpu")),
        )

    first = {file.path: file.path.read_bytes() for file in encode()}
    for path in first:
        path.unlink()
    assert {file.path: file.path.read_bytes() for file in encode()} == first
    images = read_features(image_file(tmp_path / "features", "seed0"))
    expected = encode_images(clip, ImageSet(tmp_path / "test"), EncodeSettings(batch_size=4))
    np.testing.assert_array_equal(images.features, expected.features)
    texts = read_class_embeddings(text_file(tmp_path / "features", "seed0", TEMPLATES.name))
    own = encode_texts(
        clip, ["a Ant.", "a Bee.", "a Cat_$1."], EncodeSettings(batch_size=4)
    ).features
    np.testing.assert_allclose(texts.embeddings, own, atol=1e-6)
    assert texts.logit_scale == clip.logit_scale
