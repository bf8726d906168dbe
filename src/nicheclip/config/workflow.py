"""The whole config, its cross-references, and errors that say where and what."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from nicheclip.config.alignment import AlignmentConfig
from nicheclip.config.base import ConfigModel, Name, Seed
from nicheclip.config.captions import CaptionConfig
from nicheclip.config.consistency import check
from nicheclip.config.data import DatasetConfig
from nicheclip.config.evaluation import EvaluationConfig
from nicheclip.config.explain import explain
from nicheclip.config.grids import expand_grids
from nicheclip.config.leaderboard import LeaderboardConfig
from nicheclip.config.models import ModelConfig
from nicheclip.config.papers import PapersConfig
from nicheclip.config.pretraining import PretrainingConfig
from nicheclip.config.rehearsal.options import RehearsalConfig
from nicheclip.config.rehearsal.rehearsed import rehearsed
from nicheclip.config.tasks import AdaptationConfig, TaskConfig
from nicheclip.config.taxonomy import TaxonomyConfig
from nicheclip.config.training import TrainingConfig
from nicheclip.config.yaml_file import read_yaml
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import registry_folder
from nicheclip.subjects import Subject

Precision = Literal["float32", "bfloat16", "float16"]


class EncodingConfig(ConfigModel):
    """How models turn images and texts into features."""

    batch_size: Annotated[int, Field(ge=1)] = 256
    gpu: Annotated[int, Field(ge=0, le=1)] = 0
    """1 asks for a GPU in every job that encodes."""
    precision: Precision = "float32"
    """`bfloat16` or `float16` (on a GPU alone): the towers compute in mixed precision (autocast),
    features are stored in float32. Faster where the hardware has it; what it does to accuracy is
    in docs/performance.md."""

    @model_validator(mode="after")
    def _the_device_has_it(self) -> "EncodingConfig":
        if self.precision == "float16" and not self.gpu:
            raise ValueError("precision: float16 needs gpu: 1; a CPU has bfloat16")
        return self


class Config(ConfigModel):
    """`config.yaml`: what is made, from what, and how it is judged."""

    scale: Literal["demo", "paper", "own", "rehearsal"] = "own"
    """`demo` marks tables as not comparable with the papers; `paper` compares them; `rehearsal` is
    what the key `rehearsal` sets."""
    rehearsal: Annotated[int, Field(ge=2, le=1000)] | RehearsalConfig | None = None
    """Not the config itself but its rehearsal: so many drawn images of each class in each split
    stand for the images of every data set, models are small and random, trainings short, tables
    marked. Results go to `rehearsal/<name of the config>/results`. As a rule from the command line:
    `--config rehearsal=4`."""
    seed: Seed = 0
    """Of everything but training, which has seeds of its own."""
    datasets: dict[Name, DatasetConfig] = Field(min_length=1)
    taxonomy: TaxonomyConfig = TaxonomyConfig()
    captions: dict[Name, CaptionConfig] = Field(default={})
    models: dict[Name, ModelConfig] = Field(default={})
    training: dict[Name, TrainingConfig] = Field(default={})
    pretraining: dict[Name, PretrainingConfig] = Field(default={})
    alignment: dict[Name, AlignmentConfig] = Field(default={})
    evaluation: dict[Name, EvaluationConfig] = Field(default={})
    tasks: dict[Name, TaskConfig] = Field(default={})
    adaptation: dict[Name, AdaptationConfig] = Field(default={})
    encoding: EncodingConfig = EncodingConfig()
    papers: PapersConfig = PapersConfig()
    leaderboard: LeaderboardConfig = LeaderboardConfig()
    offline: bool = False
    """Ask the network for no data and no weights: what is not on this disk is listed at the start,
    all of it, with where it is to be had and the folder that it belongs into. As a rule from the
    command line, also in a dry run: `--config offline=true`. Servers of captions are asked."""
    scratch: str | None = None
    """A folder on each node's own disk, for example `$TMPDIR`: a training job copies its images
    there and reads the copies. Null reads the images where they are."""

    @model_validator(mode="after")
    def _only_a_rehearsal_is_called_so(self) -> "Config":
        if self.scale == "rehearsal" and self.rehearsal is None:
            raise ValueError(
                "scale: rehearsal is set by the key rehearsal; choose demo, paper or own, and run "
                "with --config rehearsal=4"
            )
        return self

    @model_validator(mode="after")
    def _is_consistent(self) -> "Config":
        check(self)
        return self

    def datasets_of(self, run: str) -> list[str]:
        """The data sets that a run's model was trained on, those of its start included."""
        training = self.training[run]
        found = [training.dataset]
        if training.replay:
            found.append(training.replay.dataset)
        return found + (self.datasets_of(training.start_from) if training.start_from else [])

    def knows_texts(self, subject: Subject) -> bool:
        """Whether it can be asked what text an image is nearest to; start models can."""
        run = self.training.get(subject.name) if subject.kind == "trained" else None
        return run is None or run.recipe.trains_texts


def check_file(file: Path | str) -> None:
    """Read ``file`` more strictly than Snakemake does.

    Raises:
        InputError: it is absent, empty, not YAML, or says something twice; names file and line.
    """
    if not Path(file).exists():
        raise InputError(
            f"{file}: no such file in {Path.cwd()}. Run snakemake in the folder of the clone, or "
            "name a config with --configfile, and write targets before that."
        )
    values = read_yaml(file)
    if not isinstance(values, dict):
        found = "it is empty" if values is None else f"it holds a {type(values).__name__}"
        raise InputError(
            f"{file}: expected the sections of a config ({', '.join(Config.model_fields)}), but "
            f"{found}. Copy workflow/config/own.yaml and change the lines that it marks."
        )


def parse_config(values: dict[str, Any], files: Sequence[Path | str] = ()) -> Config:
    """The typed config of ``values``, as read from ``files`` (later ones override).

    With `rehearsal` it is that of the rehearsal, once the config itself is found to be valid.

    Raises:
        InputError: names each wrong key with its file and line, and the nearest valid key.
    """
    expanded = expand_grids(values)
    try:
        config = Config.model_validate(expanded.values)
        if config.rehearsal is None:
            return config
        return Config.model_validate(rehearsed(expanded.values, registry_folder()))
    except ValidationError as error:
        lines = explain(error, Config.model_json_schema(), files, expanded.origins)
        raise InputError("config: " + "\n  ".join(["not valid.", *lines])) from None
