"""Any model, any images, any classes: as the evaluation, and restricted, summed, sure enough."""

import io
import json

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from nicheclip.config.data import ImageConfig
from nicheclip.data.images import is_kept_as_it_is, normalise
from nicheclip.models.classifier import Classifier, write_classifier
from nicheclip.models.encode import encode_texts
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.openclip import load
from nicheclip.models.views import decode
from nicheclip.predict import embeddings
from nicheclip.predict.class_list import read_class_list
from nicheclip.predict.embed import embed_images
from nicheclip.predict.open_model import open_model
from nicheclip.predict.origin import find_origin
from nicheclip.predict.page import UNSURE, predictions_page
from nicheclip.predict.pictures import find_images, pixels_of
from nicheclip.predict.predictor import Guess, Prediction, Predictor
from nicheclip.predict.ranks import deepest, level_of, levels
from nicheclip.predict.restrict import among, parse_within, within
from nicheclip.predict.settings import Settings
from nicheclip.predict.write import lines
from nicheclip.runtime.errors import InputError
from small_evaluation import class_table, jpeg
from small_results import evaluated, small_results


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict")
    small_results(folder)
    return folder


@pytest.fixture
def settings(folder, tmp_path):
    return Settings(
        templates=str(folder / "photo.yaml"), batch_size=4, threads=1, device="cpu", cache=tmp_path
    )


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def model_of(folder):
    return folder / "results/models/trained/run/seed0"


def test_the_same_classes_and_scores_as_the_evaluation(folder, settings):
    predictor = Predictor.open(model_of(folder), settings=settings)
    assert predictor.classes.source == "the data set squares" and not predictor.notes
    expected = evaluated(folder)
    files = [folder / f"photos/{image_id}.jpg" for image_id in expected.image_ids]
    found = list(predictor.predict(files))
    assert [one.file for one in found] == [str(file) for file in files]
    classes = [[guess.class_id for guess in one.guesses] for one in found]
    assert classes == expected.classes
    scores = [[guess.score for guess in one.guesses] for one in found]
    assert np.allclose(scores, expected.scores, rtol=0, atol=1e-6)


def test_bytes_and_pillow_images_give_what_files_give(folder, settings):
    predictor = Predictor.open(model_of(folder), settings=settings)
    file = next((folder / "photos").iterdir())
    by_file, by_bytes, by_image = predictor.predict([file, file.read_bytes(), Image.open(file)])
    assert (by_bytes.file, by_image.file) == ("image 2", "image 3")
    assert by_file.guesses == by_bytes.guesses == by_image.guesses


def test_ranks_are_sums_over_species(folder, settings):
    predictor = Predictor.open(model_of(folder), settings=settings)
    file = next((folder / "photos").iterdir())
    (plain,) = predictor.predict([file])
    (families,) = predictor.predict([file], rank="family")
    score = {guess.class_id: guess.score for guess in plain.guesses}
    assert {guess.name: guess.score for guess in families.guesses} == pytest.approx(
        {"Formicidae": score["a"], "Apidae": score["b"] + score["c"]}
    )
    (kingdom,) = predictor.predict([file], rank="kingdom", top=9)
    assert kingdom.guesses == (Guess("Animalia", "kingdom", pytest.approx(1)),)
    with pytest.raises(InputError, match=r"have no order; they have species, genus, family"):
        predictor.predict([file], rank="order")


def test_a_clade_is_all_there_is_to_choose_from(folder, settings):
    taxa = parse_within(["family=apidae"])
    predictor = Predictor.open(model_of(folder), settings=settings, taxa=taxa)
    (one,) = predictor.predict([next((folder / "photos").iterdir())])
    assert {guess.class_id for guess in one.guesses} == {"b", "c"}
    assert sum(guess.score for guess in one.guesses) == pytest.approx(1)


def test_unknown_taxa_are_named_with_what_is_near(folder, settings):
    classes = Predictor.open(model_of(folder), settings=settings).classes
    with pytest.raises(InputError, match=r"no class is of Apidea\. Did you mean Apidae\?"):
        within(classes, {"family": ["Apidea"]})
    with pytest.raises(InputError, match="have no order"):
        within(classes, {"order": ["Hymenoptera"]})
    with pytest.raises(InputError, match="leaves 1 of 3 classes"):
        within(classes, {"species": ["Apis mellifera"]})
    with pytest.raises(InputError, match=r"--within tribe=x: expected RANK=NAME"):
        parse_within(["tribe=x"])


def test_a_checklist_may_name_taxa_of_any_rank(folder, settings, tmp_path):
    classes = Predictor.open(model_of(folder), settings=settings).classes
    (tmp_path / "region.txt").write_text("# Hawaii\nApis mellifera\n formica\nNowhere sp.\n")
    kept, missing = among(classes, tmp_path / "region.txt")
    assert kept.ids == ["a", "b"] and missing == ["Nowhere sp."]
    (tmp_path / "none.txt").write_text("Elsewhere\n")
    with pytest.raises(InputError, match="leaves 0 of 3 classes"):
        among(classes, tmp_path / "none.txt")


def test_the_deepest_taxon_that_is_sure_enough():
    table = class_table(
        {
            "ant": ["Animalia", "", "", "", "Formicidae", "Formica", "rufa"],
            "bee": ["Animalia", "", "", "", "Apidae", "Apis", "mellifera"],
            "bumble": ["Animalia", "", "", "", "Apidae", "Bombus", "terrestris"],
            "stone": ["", "", "", "", "", "", ""],
        }
    )
    rows = np.array(
        [
            [0.1, 0.85, 0.04, 0.01],
            [0.1, 0.5, 0.35, 0.05],
            [0.5, 0.3, 0.1, 0.1],
            [0.4, 0.2, 0.1, 0.3],
        ]
    )
    found = deepest(rows, levels(table), 0.8)
    assert [one[:2] if one else None for one in found] == [
        ("bee", "name"), ("Apidae", "family"), ("Animalia", "kingdom"), None,
    ]  # fmt: skip
    assert found[1][2] == pytest.approx(0.85) and found[2][2] == pytest.approx(0.9)


def test_equal_names_below_different_taxa_are_two_groups():
    table = class_table(
        {
            "plant": ["Plantae", "", "", "", "", "Ficus", "carica"],
            "snail": ["Animalia", "", "", "", "", "Ficus", "variegata"],
        }
    )
    assert level_of("genus", levels(table)).names == ["Ficus", "Ficus"]
    assert level_of("species", levels(table)).names == ["Ficus carica", "Ficus variegata"]


def test_an_adapted_model_answers_by_its_own_classes(folder, settings, tmp_path):
    clip = load(model_of(folder))
    anchors = encode_texts(clip, ["x", "y"], EncodeSettings(batch_size=2)).features
    target = tmp_path / "adapted"
    target.mkdir()
    for file in model_of(folder).glob("open_clip*"):
        (target / file.name).write_bytes(file.read_bytes())
    write_classifier(target / "classifier.safetensors", Classifier(anchors, ("x", "y"), 20.0))
    file = next((folder / "photos").iterdir())
    predictor = Predictor.open(target, settings=settings)
    (one,) = predictor.predict([file])
    assert {guess.name for guess in one.guesses} == {"x", "y"}
    texts = Predictor.open(target, ["ant", "bee"], settings)
    assert texts.notes == ["the texts of these classes answer, not the classifier of the model"]
    (one,) = texts.predict([file])
    assert {guess.name for guess in one.guesses} == {"ant", "bee"}


def test_what_cannot_be_read_is_said_and_the_rest_done(folder, settings, tmp_path):
    (tmp_path / "good.jpg").write_bytes(jpeg((9, 200, 9), 1))
    (tmp_path / "half.jpg").write_bytes(jpeg((9, 200, 9), 1)[:500])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "notes.txt").write_text("no image")
    found = find_images([str(tmp_path)])
    assert [file.name for file in found.files] == ["empty.png", "good.jpg", "half.jpg", "text.jpg"]
    assert found.others == 1
    predictor = Predictor.open(model_of(folder), settings=settings)
    said = {one.file.rsplit("/")[-1]: one for one in predictor.predict(found.files)}
    assert {name for name, one in said.items() if one.guesses} == {"good.jpg"}
    assert said["half.jpg"].problem in ("truncated", "damaged")
    assert said["empty.png"].problem == "zero bytes"
    assert "not an image" in said["text.jpg"].problem


def test_images_by_file_folder_and_pattern_once_each(tmp_path):
    for name in ("a/1.jpg", "a/b/2.png", "3.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    names = [f"{tmp_path}/**/*.jpg", str(tmp_path / "a"), str(tmp_path / "3.tif")]
    found = find_images(names).files
    assert [one.name for one in found] == ["1.jpg", "2.png", "3.tif"]
    for wrong, message in ((f"{tmp_path}/*.gif", "no file matches"), ("nowhere", "no such file")):
        with pytest.raises(InputError, match=message):
            find_images([wrong])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image; 0 other files"):
        find_images([str(tmp_path / "empty")])


@pytest.mark.parametrize(
    ("mode", "suffix", "options", "kept"),
    [
        ("RGB", "JPEG", {}, True),
        ("RGB", "JPEG", {"exif": turned(6)}, False),
        ("L", "JPEG", {}, False),
        ("RGB", "PNG", {}, True),
        ("RGB", "PNG", {"transparency": (1, 2, 3)}, False),
        ("RGBA", "PNG", {}, False),
        ("RGB", "TIFF", {}, False),
    ],
)
def test_pixels_are_those_that_the_workflow_stores(mode, suffix, options, kept):
    pixels = np.random.default_rng(0).integers(0, 255, (70, 90, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, suffix, **options)
    assert is_kept_as_it_is(stream.getvalue(), ImageConfig()) == kept
    assert (normalise(stream.getvalue(), ImageConfig()).encoded == stream.getvalue()) == kept
    for config in (ImageConfig(), ImageConfig(max_side=32), ImageConfig(lossless_pixels=0)):
        stored = decode(normalise(stream.getvalue(), config).encoded, name="", where="")
        assert np.array_equal(pixels_of(stream.getvalue(), config), stored)


def test_classes_of_a_table_with_ranks(folder, settings, tmp_path):
    (tmp_path / "taxa.csv").write_text(
        "kingdom,genus,species,common\nAnimalia,Apis,Apis mellifera,honey bee\n"
        "Animalia,Formica,rufa,\n"
    )
    found = read_class_list(
        tmp_path / "taxa.csv", text_type="taxon_com", templates=folder / "photo.yaml"
    )
    assert found.table["name"].to_list() == ["Apis mellifera", "Formica rufa"]
    assert found.table["species"].to_list() == ["mellifera", "rufa"]
    first = found.texts[found.ids[0]][0]
    assert first == "a photo of Animalia Apis mellifera with common name honey bee."


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("twice.txt", "heron\nswan\nHeron\n", "two classes are called 'heron' and 'Heron'"),
        ("one.txt", "heron\n", "expected at least two"),
        ("twice.csv", "name,family\nheron,x\nheron,y\nswan,z\n", "1 classes stand in several rows"),
        ("columns.csv", "x,y\n1,2\n", "expected one of the columns class_id"),
        ("broken.parquet", "no parquet", "expected a table"),
        ("case.csv", "Genus,genus,species\nA,B,c\n", "several columns are called genus"),
        ("latin.txt", "M\udce4use\nswan\n", "Save it with this encoding"),
    ],
)
def test_bad_class_files(folder, tmp_path, name, content, message):
    (tmp_path / name).write_text(content, errors="surrogateescape")
    with pytest.raises(InputError, match=message):
        read_class_list(tmp_path / name, text_type="com", templates=folder / "photo.yaml")


@pytest.mark.parametrize("label", [[["a"], ["b"]], [b"\xff", b"b"]])
def test_columns_that_hold_no_texts(folder, tmp_path, label):
    pq.write_table(pa.table({"label": label}), tmp_path / "c.parquet")
    with pytest.raises(InputError, match=r"c\.parquet: (the columns label hold|expected columns)"):
        read_class_list(tmp_path / "c.parquet", text_type="com", templates=folder / "photo.yaml")


def test_a_row_without_species_is_the_finest_rank_that_it_has(folder, tmp_path):
    rows = "family,genus,species\nTurdidae,Turdus,merula\nCorvidae,,\n,,\n,Rosa,\n,,\n"
    (tmp_path / "c.csv").write_text(rows)
    found = read_class_list(tmp_path / "c.csv", text_type="com", templates=folder / "photo.yaml")
    assert found.ids == ["Corvidae", "Rosa", "Turdus merula"]
    assert found.table["name"].to_list() == found.ids


def test_classes_with_one_text_are_said(folder, settings, tmp_path):
    (tmp_path / "c.csv").write_text("class_id,name,common\n1,Ant A,ant\n2,Ant B,ant\n3,Bee,bee\n")
    predictor = Predictor.open(model_of(folder), tmp_path / "c.csv", settings)
    assert predictor.notes[0].startswith("1 classes have the texts of another")


def test_bad_models(folder, settings, tmp_path):
    registry = settings.registry
    with pytest.raises(InputError, match=r"holds 1 models; give one of them: .*seed0"):
        open_model(str(model_of(folder).parent), registry)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/config.json").write_text("{}")
    (tmp_path / "theirs/pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(InputError, match="looks like a model of transformers"):
        open_model(str(tmp_path / "theirs"), registry)
    with pytest.raises(InputError, match="is a file; expected a folder"):
        open_model(str(tmp_path / "theirs/config.json"), registry)
    with pytest.raises(InputError, match=r"ViT-B-32:TAG with one of open_clip's tags: openai"):
        open_model("ViT-B-32:nobody", registry)
    with pytest.raises(InputError, match="no such folder, nor such an architecture"):
        open_model("nothing", registry)
    moved = _moved(folder, tmp_path)
    with pytest.raises(InputError, match="nothing says which classes"):
        Predictor.open(moved, settings=settings)
    (moved / "open_clip_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"half a model, without open_clip_model\.saf"):
        open_model(str(moved), registry)


@pytest.mark.parametrize(
    ("record", "config"),
    [
        ({"config": "theirs"}, []),
        ({"config": {"dataset": {"a": 1}}}, {"tasks": []}),
        ({"config": {"dataset": "d", "texts": {"types": ["com"]}}}, {"datasets": []}),
        ({"config": {"dataset": "d", "texts": {"types": {"com": "x", "sci": 1}}}},
         {"datasets": {"d": {"image": {"max_side": "large"}}}}),
    ],
)  # fmt: skip
def test_records_of_other_programs_say_nothing(tmp_path, record, config):
    model = tmp_path / "models/theirs/seed0"
    model.mkdir(parents=True)
    (tmp_path / "acquire/d").mkdir(parents=True)
    (model / "manifest.json").write_text(json.dumps(record))
    (tmp_path / "config.json").write_text(json.dumps(config))
    origin = find_origin(model)
    assert origin is None or origin.image == ImageConfig()


def _moved(folder, tmp_path):
    target = tmp_path / "moved"
    target.mkdir()
    for file in model_of(folder).glob("open_clip*"):
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_embeddings_of_classes_are_kept_by_their_content(folder, tmp_path, monkeypatch):
    clip, encoded = load(model_of(folder)), []

    def counting(clip, texts, settings):
        encoded.append(len(texts))
        return encode_texts(clip, texts, settings)

    monkeypatch.setattr(embeddings, "encode_texts", counting)

    def get(texts, least=1):
        return embeddings.class_embeddings(
            clip, texts, batch_size=4, device="cpu", cache=tmp_path, worth_keeping=least
        )

    first = get({"a": ["one"], "b": ["two"]})
    again = get({"b": ["two"], "a": ["one"]})
    assert encoded == [2] and np.array_equal(first.embeddings, again.embeddings)
    get({"a": ["one"], "b": ["three"]})
    assert encoded == [2, 2]
    get({"a": ["few"], "b": ["texts"]}, least=3)
    assert encoded == [2, 2, 2] and len(list(tmp_path.rglob("*.safetensors"))) == 2
    for file in tmp_path.rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-8])
    get({"a": ["one"], "b": ["two"]})
    assert encoded == [2, 2, 2, 2]


def test_a_cache_that_cannot_be_written_is_none(folder, tmp_path):
    (tmp_path / "file").write_text("")
    found = embeddings.class_embeddings(
        load(model_of(folder)),
        {"a": ["one"], "b": ["two"]},
        batch_size=4,
        device="cpu",
        cache=tmp_path / "file",
        worth_keeping=1,
    )
    assert len(found.embeddings) == 2


def test_features_as_files(folder, settings, tmp_path):
    (tmp_path / "in").mkdir()
    for file in (folder / "photos").iterdir():
        (tmp_path / "in" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "in/bad.jpg").write_bytes(b"x")
    for suffix in ("npy", "parquet"):
        problems = embed_images(
            str(model_of(folder)), [str(tmp_path / "in")], tmp_path / f"f.{suffix}", settings
        )
        assert [file.rsplit("/")[-1] for file in problems] == ["bad.jpg"]
    table = pl.read_parquet(tmp_path / "f.parquet")
    features = np.load(tmp_path / "f.npy")
    assert features.shape == (9, 16) and np.allclose(np.linalg.norm(features, axis=1), 1)
    assert np.array_equal(table["feature"].to_numpy(), features)
    assert pl.read_csv(tmp_path / "f.csv")["file"].to_list() == table["file"].to_list()
    with pytest.raises(InputError, match=r"no image could be read, for example .*bad\.jpg: not"):
        embed_images(
            str(model_of(folder)), [str(tmp_path / "in/bad.jpg")], tmp_path / "n.npy", settings
        )
    with pytest.raises(InputError, match=r"expected a file \.parquet or \.npy"):
        embed_images(str(model_of(folder)), ["x"], tmp_path / "f.txt", settings)


SAID = [
    Prediction("a.jpg", (Guess("ant", "name", 0.75, "a"), Guess("bee", "name", 0.25, "b")),
               Guess("Formicidae", "family", 0.9)),
    Prediction("b.jpg", (Guess("bee", "name", 0.5, "b"), Guess("ant", "name", 0.5, "a"))),
    Prediction("c.jpg", problem="truncated"),
]  # fmt: skip


def test_csv_json_and_table():
    text = "".join(lines(SAID, "csv", top=3, answers=True))
    assert text.splitlines() == [
        "file,answer,rank,confidence,predicted,score,predicted_2,score_2,predicted_3,score_3,problem",
        "a.jpg,Formicidae,family,0.9,ant,0.75,bee,0.25,,,",
        "b.jpg,,,,bee,0.5,ant,0.5,,,",
        "c.jpg,,,,,,,,,,truncated",
    ]
    found = json.loads("".join(lines(SAID, "json", top=2, answers=True)))
    assert found[0]["answer"] == {"name": "Formicidae", "rank": "family", "score": 0.9}
    assert found[0]["predictions"][0]["class_id"] == "a" and found[1]["answer"] is None
    assert found[2] == {"file": "c.jpg", "problem": "truncated"}
    assert json.loads("".join(lines([], "json", top=2, answers=True))) == []
    table = "".join(lines(SAID[:2], "table", top=2, answers=False)).splitlines()
    assert table[0].split() == ["file", "predicted", "score", "predicted_2", "score_2"]
    assert table[1].split() == ["a.jpg", "ant", "0.750", "bee", "0.250"]


def test_the_page_holds_its_pictures(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(jpeg((200, 9, 9), 1))
    said = [Prediction(str(tmp_path / one.file), one.guesses, one.answer, one.problem)
            for one in SAID]  # fmt: skip
    page = predictions_page("<model>", said, answers=True)
    assert "&lt;model&gt;" in page and page.count("data:image/jpeg;base64") == 3
    assert "http" not in page and "truncated" in page
    assert f"<b>{UNSURE} 50%</b><br>or bee 50%" in page
    assert "<b>Formicidae 90%</b><br>or ant 75%" in page
    (tmp_path / "b.jpg").unlink()
    assert "data:," in predictions_page("m", said, answers=True)
    (tmp_path / "b.jpg").write_bytes(jpeg((200, 9, 9), 1))
    assert "Decided: none" in predictions_page("m", said[2:], answers=True)
    plain = predictions_page("m", said, answers=False)
    assert "<b>ant 75%</b><br>or bee 25%" in plain


def test_numbers_that_cannot_be(folder, settings):
    predictor = Predictor.open(model_of(folder), settings=settings)
    for wrong in ({"top": 0}, {"confidence": 0.0}, {"confidence": 1.5}):
        with pytest.raises(InputError, match="--top"):
            predictor.predict([], **wrong)
    for device in ("nowhere", "meta"):
        with pytest.raises(InputError, match=f"--device {device}"):
            Settings(device=device).check()
