"""A results folder with a tiny trained model, its data set, an evaluation and the same images."""

from nicheclip.config.text_sets import TemplateSet
from nicheclip.evaluation.predictions import Predictions, read_predictions
from nicheclip.models.encode import ClipEncoder
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.openclip import load, save
from nicheclip.runtime.files import write_json, write_text
from small_evaluation import (
    cell_file,
    encode_all,
    judge_one,
    small_image_sets,
    tiny_clip,
    write_classes,
    write_texts,
)

LINEAGES = {
    "a": {"kingdom": "Animalia", "family": "Formicidae", "genus": "Formica", "species": "rufa"},
    "b": {"kingdom": "Animalia", "family": "Apidae", "genus": "Apis", "species": "mellifera"},
    "c": {"kingdom": "Animalia", "family": "Apidae", "genus": "Bombus", "species": "terrestris"},
}


def small_results(folder):
    """The model's folder; ``folder/photos`` has the test images, ``folder/out`` the evaluation."""
    model = folder / "results/models/trained/run/seed0"
    save(tiny_clip(folder, context=16), model)
    write_json(
        model / "train.json", {"config": {"dataset": "squares", "texts": {"types": {"com": 1}}}}
    )
    images = small_image_sets(folder)["test"]
    for path in (folder, folder / "results/acquire/squares"):
        write_classes(path / "classes.parquet", LINEAGES)
    for path in (folder, folder / "results/taxonomy/squares"):
        write_texts(path / "texts.parquet")
    write_json(folder / "results/config.json", {"datasets": {"squares": {}}})
    write_text(folder / "photo.yaml", "templates: ['a photo of {}.', 'an image of {}.']\n")
    sets = [TemplateSet(templates="photo", text_type="com")]
    encode_all(
        folder,
        "test",
        sets,
        lambda found: ClipEncoder(load(found), EncodeSettings(batch_size=4, device="cpu")),
        models={"seed0": model},
    )
    judge_one(folder, "zero_shot")
    (folder / "photos").mkdir()
    for number in range(len(images)):
        one = images.read(number)
        (folder / f"photos/{one.image_id}.jpg").write_bytes(one.encoded)
    return model


def evaluated(folder) -> Predictions:
    """What the evaluation said."""
    return read_predictions(cell_file(folder, "zero_shot", "predictions.parquet"))
