"""The card of a trained model: ``README.md`` in the format of the hub.

Its bytes follow from the run's config, the images and the results alone: times, devices and
versions are in ``train.json`` beside it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard, ModelCardData

from nicheclip.config.training import TrainingConfig
from nicheclip.data.attribution import Attribution
from nicheclip.engine.records import RunReport
from nicheclip.runtime.files import write_text

FILE = "README.md"

#: figures of the last epoch that say what came out
SHOWN = ("loss", "val_loss", "val_accuracy", "zero_shot_accuracy", "logit_scale")


def write(folder: Path, config: TrainingConfig, data: Mapping[str, Any], report: RunReport) -> None:
    """Write the card of the model in ``folder``; see ``model_card``."""
    name = "/".join(folder.parts[-2:])
    card = model_card(config, Attribution.model_validate(data), report, name=name)
    write_text(folder / FILE, str(card))


def model_card(
    config: TrainingConfig, data: Attribution, report: RunReport, *, name: str
) -> ModelCard:
    """The card of one run.

    Args:
        config: of the run.
        data: of its training images.
        report: of the run.
        name: of the model, for example ``fungi-small/seed0``.
    """
    texts = config.recipe.trains_texts
    facts = ModelCardData(
        library_name="open_clip",
        pipeline_tag="zero-shot-image-classification" if texts else "image-feature-extraction",
        tags=["clip", "nicheclip"],
        model_name=name,
    )
    sections = {
        "Load": _load(texts),
        "Data": _data(data),
        "Recipe": _recipe(config, report),
        "Figures": _figures(report),
        "Limits": _limits(config, data),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    what = "A CLIP" if texts else "The image tower of a CLIP"
    summary = (
        f"{what} that NicheCLIP trained on {data.images:,} images of {data.classes:,} classes "
        f"({data.source}), from the start model `{config.model}`."
    )
    return ModelCard(f"---\n{facts.to_yaml()}\n---\n\n# {name}\n\n{summary}\n\n{body}\n")


def _load(texts: bool) -> str:
    code = [
        "import open_clip",
        "",
        'model, _, preprocess = open_clip.create_model_and_transforms("local-dir:FOLDER")',
    ]
    if texts:
        code.append('tokenizer = open_clip.get_tokenizer("local-dir:FOLDER")')
    else:
        code.append("features = model.encode_image(preprocess(image)[None], normalize=True)")
    return "\n".join(["```python", *code, "```", "", "`FOLDER` is the folder of this file."])


def _data(data: Attribution) -> str:
    lines = [f"Data set `{data.dataset}`, split {data.split}: {data.images:,} images."]
    for label, value in (
        ("Licence of the data set", data.licence),
        ("Source", data.homepage),
        ("Cite", data.citation),
    ):
        lines += [f"{label}: {value}."] if value else []
    known = {licence: count for licence, count in data.licences.items() if licence}
    if known:
        lines += ["", *_table(("licence of the image", "images"), data.licences)]
    else:
        lines.append("No image names a licence.")
    if data.holders:
        lines += ["", *_table(("rights holder", "images"), data.holders)]
        if data.more_holders:
            lines += ["", f"{data.more_holders:,} more rights holders are in the data's catalog."]
    if data.unattributed:
        lines += ["", f"{data.unattributed:,} images name no rights holder."]
    return "\n".join(lines)


def _recipe(config: TrainingConfig, report: RunReport) -> str:
    settings = yaml.safe_dump(config.determines(), sort_keys=True, allow_unicode=True)
    seen = (
        f"{report.epochs} epochs, {report.steps:,} steps, {report.samples_seen:,} samples seen, "
        f"seed {report.seed}; {report.trainable:,} of {report.parameters:,} numbers trained at the "
        f"end. The weights are those of epoch {report.kept_epoch}. Times, device and versions: "
        "`train.json`; each epoch: `history.csv`."
    )
    return f"{seen}\n\n```yaml\n{settings}```"


def _figures(report: RunReport) -> str:
    found = {
        name: f"{report.final[name]:.4g}" for name in SHOWN if report.final.get(name) is not None
    }
    rows = "\n".join(_table(("last epoch", "value"), found))
    return f"{rows}\n\n`val_` figures are of the validation split, which no weight was fitted to."


def _limits(config: TrainingConfig, data: Attribution) -> str:
    lines = [
        f"- It knows the {data.classes:,} classes of its training images and what resembles them. "
        "Judge it on images of your own before you rely on it.",
        "- The licences above are those of the images. Whether they bind the weights is not "
        "settled here.",
    ]
    if not config.recipe.trains_texts:
        lines.insert(
            0,
            f"- The recipe {config.recipe.kind} trained no text: the text tower is as it was at "
            "the start, and zero-shot classification has no meaning. Use its image features.",
        )
    if config.keep == "best":
        lines.append("- The epoch was chosen by the validation accuracy, which is thus too good.")
    return "\n".join(lines)


def _table(heading: tuple[str, str], rows: Mapping[str, Any]) -> Iterable[str]:
    yield f"| {heading[0]} | {heading[1]} |"
    yield "|---|---|"
    for label, value in rows.items():
        shown = f"{value:,}" if isinstance(value, int) else value
        yield f"| {_cell(label) or 'none named'} | {shown} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
