"""The config that fits what was seen: at most 40 lines, which run as they are."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from nicheclip.starter.look import Seen

#: from here on a tenth of the images is enough to judge by
MANY = 5_000
#: images of the smallest class from which on few-shot has test images enough
FEW_SHOT = 50
#: letters of a name that is made from a folder's
LONGEST_NAME = 80


@dataclass(frozen=True)
class Choices:
    """What follows from the images and the machine."""

    model: str
    batch_size: int
    epochs: int
    min_steps: int
    rate: str
    test: float
    gpus: int


def choose(seen: Seen, gpus: int) -> Choices:
    """Split, model and length of the training.

    A GPU gets pretrained weights, which need the network once; the CPU a small model from scratch.
    """
    test = 0.1 if seen.images >= MANY else 0.2
    if gpus:
        epochs = 20 if seen.images < MANY else 10 if seen.images < 100_000 else 5
        return Choices("ViT-B-32", 128, epochs, 200, "1.0e-5", test, 1)
    epochs = 10 if seen.images < 10_000 else 5 if seen.images < 50_000 else 2
    return Choices("nicheclip-small", 32, epochs, 300, "5.0e-4", test, 0)


def config_name(path: Path) -> str:
    """A name for results from that of a folder or table."""
    cleaned = re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem if path.suffix else path.name)
    name = cleaned.lower()[:LONGEST_NAME].strip("-_.") or "images"
    return name if yaml.safe_load(name) == name else f"images-{name}"  # 2024, on, null


def config_text(seen: Seen, name: str, choices: Choices, *, file: str, cores: int) -> str:
    """The config of images with classes.

    Args:
        seen: folder or table.
        name: of the data set and the training.
        choices: see ``choose``.
        file: the config's own, for the command.
        cores: of this machine.
    """
    protocols = "[zero_shot, few_shot]" if seen.smallest >= FEW_SHOT else "[zero_shot]"
    pretrained = ", pretrained: openai" if choices.gpus else ""
    other = (
        "start: {architecture: nicheclip-small}             # without the network"
        if choices.gpus
        else "start: {architecture: ViT-B-32, pretrained: openai}    # for results: loaded once"
    )
    workers = ", workers: 4" if choices.gpus else ""
    precision = "    precision: bf16-mixed\n" if choices.gpus else ""
    advice = "" if choices.gpus else "      # pretrained: lr 1.0e-5"
    text_type = "taxon_com" if _ranks(seen) else "com"
    return f"""\
# {seen.images} images of {len(seen.classes)} classes ({seen.of_each} \
of each), by `nicheclip init`. Run it:
#   snakemake --cores {cores} --configfile {file}
# Every key is described in workflow/schemas/config.schema.json.
scale: own
seed: 0
datasets:
  {name}:
    source: {_source(seen)}
    image: {{max_side: 256}}                           # larger ones are shrunk
    split: {_split(seen, choices)}
models:
  start: {{architecture: {choices.model}{pretrained}}}
# {other}
training:
  {name}:
    dataset: {name}
    model: start
    recipe: {{kind: contrastive}}
    texts: {{types: {_types(seen)}}}
    epochs: {choices.epochs}
    min_steps: {choices.min_steps}                  # more epochs where these are fewer steps
    batch_size: {choices.batch_size}
    optimizer: {{lr: {choices.rate}, gradient_clip: 1.0}}{advice}
    schedule: {{kind: cosine, warmup_steps: 0.1}}      # a tenth of all steps
    augment: {{crop_scale: [0.6, 1.0], flip: true}}
{precision}    compute: {{gpus: {choices.gpus}{workers}}}
evaluation:
  {name}:
    dataset: {name}
    protocols: {protocols}
    class_texts: {{kind: templates, templates: photo, name: {text_type}}}
encoding: {{gpu: {choices.gpus}}}
"""


def unlabelled_text(
    seen: Seen, name: str, classes: Path, gpus: int, *, file: str, cores: int
) -> str:
    """The config of photographs of which nobody has written down what they show."""
    start = "{architecture: ViT-B-32-quickgelu, pretrained: openai}"
    small = "{architecture: nicheclip-small}"
    first, second = (start, small) if gpus else (small, start)
    say = ("loaded once over the network", "random weights: its answers are guesses")
    said = say if gpus else say[::-1]
    gpu = f", compute: {{gpus: {gpus and 1}}}" if gpus else ""
    return f"""\
# {seen.images} photographs without labels, by `nicheclip init`. Run it:
#   snakemake --cores {cores} --configfile {file}
# It says what each of them shows: results/answers/{name}/fair.html
scale: own
datasets:
  {name}:
    source:
      kind: unlabelled
      path: {json.dumps(str(seen.path))}
      classes: {json.dumps(str(classes))}
models:
  start: {first}    # {said[0]}
# start: {second}    # {said[1]}
tasks:
  {name}:
    dataset: {name}
    judge: train                        # the photographs themselves are answered for
    texts: {{templates: photo}}           # add descriptions: {{file: descriptions.json}}
adaptation:
  zero-shot: {{method: {{kind: clip}}, model: start, tasks: [{name}]}}    # without adaptation
  fair: {{method: {{kind: fair}}, model: start, tasks: [{name}]{gpu}}}
"""


def _source(seen: Seen) -> str:
    parts = [f"kind: {seen.kind}", f"path: {json.dumps(str(seen.path))}"]
    if seen.split_folders:
        parts.append(f"split_folders: {str(seen.split_folders).lower()}")
    if seen.columns and seen.columns.mapping:
        mapping = ", ".join(f"{k}: {json.dumps(v)}" for k, v in seen.columns.mapping.items())
        parts.append(f"columns: {{{mapping}}}")
    if seen.columns and seen.columns.delimiter != ",":
        parts.append(f"delimiter: {json.dumps(seen.columns.delimiter)}")
    return f"{{{', '.join(parts)}}}"


def _split(seen: Seen, choices: Choices) -> str:
    if seen.split_folders or (seen.columns and seen.columns.given_splits):
        val = "" if seen.given_val else ", val_from_train: 0.1"
        return f"{{method: given{val}}}     # as the source says"
    together = ", keep_together: [near_duplicates]" if seen.duplicates else ""
    return f"{{val: 0.1, test: {choices.test}{together}}}"


def _types(seen: Seen) -> str:
    return "{taxon_com: 1, com: 1, sci: 1}" if _ranks(seen) else "{com: 1, sci: 1}"


def _ranks(seen: Seen) -> bool:
    return bool(seen.columns and seen.columns.ranks)
