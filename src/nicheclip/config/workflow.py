"""The whole config, its cross-references, and errors that say where and what."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator

from nicheclip.config.base import ConfigModel
from nicheclip.config.captions import CaptionConfig
from nicheclip.config.data import DatasetConfig
from nicheclip.config.evaluation import CaptionTexts, EvaluationConfig, Protocol
from nicheclip.config.papers import PapersConfig
from nicheclip.config.taxonomy import TaxonomyConfig
from nicheclip.config.training import ModelConfig, TrainingConfig
from nicheclip.runtime.errors import InputError

#: names become folder names
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class EncodingConfig(ConfigModel):
    """How models turn images and texts into features."""

    batch_size: Annotated[int, Field(ge=1)] = 256
    gpu: Annotated[int, Field(ge=0, le=1)] = 0
    """1 asks for a GPU in every job that encodes."""


class Config(ConfigModel):
    """`config.yaml`: what is made, from what, and how it is judged."""

    scale: Literal["demo", "paper", "own"] = "own"
    """`demo` marks tables as not comparable with the papers; `paper` compares them."""
    seed: int = 0
    """Of everything but training, which has seeds of its own."""
    datasets: dict[Name, DatasetConfig] = Field(min_length=1)
    taxonomy: TaxonomyConfig = TaxonomyConfig()
    captions: dict[Name, CaptionConfig] = Field(default={})
    models: dict[Name, ModelConfig] = Field(default={})
    training: dict[Name, TrainingConfig] = Field(default={})
    evaluation: dict[Name, EvaluationConfig] = Field(default={})
    encoding: EncodingConfig = EncodingConfig()
    papers: PapersConfig = PapersConfig()
    scratch: str | None = None
    """A folder on each node's own disk, for example `$TMPDIR`: a training job copies its shards
    there and reads the copies. Null reads the shards where they are."""

    @model_validator(mode="after")
    def _references_exist(self) -> "Config":
        for place, name, section in self._references():
            known: dict[str, Any] = getattr(self, section)
            if name not in known:
                raise ValueError(
                    f"{place}: no {section!r} entry is called {name!r}{_suggestion(name, known)}"
                )
        return self

    def _references(self) -> Iterator[tuple[str, str, str]]:
        """(where, name, section) of every name that must stand in another section."""
        for name, dataset in self.datasets.items():
            if dataset.captions:
                yield f"datasets.{name}.captions", dataset.captions, "captions"
        for name, captions in self.captions.items():
            yield f"captions.{name}.dataset", captions.dataset, "datasets"
        for name, run in self.training.items():
            yield f"training.{name}.dataset", run.dataset, "datasets"
            yield f"training.{name}.model", run.model, "models"
        for name, task in self.evaluation.items():
            yield f"evaluation.{name}.dataset", task.dataset, "datasets"
            if task.seen_in:
                yield f"evaluation.{name}.seen_in", task.seen_in, "datasets"
            for run_name in task.runs or []:
                yield f"evaluation.{name}.runs", run_name, "training"
            if isinstance(task.class_texts, CaptionTexts):
                yield f"evaluation.{name}.class_texts", task.class_texts.captions, "captions"
        if paper := self.papers.fungalzsl:
            yield "papers.fungalzsl.evaluation", paper.evaluation, "evaluation"
            yield "papers.fungalzsl.figures_from", paper.figures_from, "training"
            for row, run_name in paper.rows.items():
                yield f"papers.fungalzsl.rows.{row}", run_name, "training"
            for source in paper.caption_sources:
                yield "papers.fungalzsl.caption_sources", source, "evaluation"
        if bioclip := self.papers.bioclip:
            yield "papers.bioclip.evaluation", bioclip.evaluation, "evaluation"
            yield "papers.bioclip.figures_from", bioclip.figures_from, "training"
            for source in bioclip.few_shot:
                yield "papers.bioclip.few_shot", source, "evaluation"
            for section in ("rows", "ablation"):
                for row, run_name in getattr(bioclip, section).items():
                    yield f"papers.bioclip.{section}.{row}", run_name, "training"

    @model_validator(mode="after")
    def _evaluations_can_run(self) -> "Config":
        for name, task in self.evaluation.items():
            where = f"evaluation.{name}"
            if "retrieval" in task.protocols and not self.datasets[task.dataset].captions:
                raise ValueError(
                    f"{where}.protocols: retrieval looks for captions, and the data set "
                    f"{task.dataset!r} has none; set datasets.{task.dataset}.captions"
                )
            texts = task.class_texts
            if isinstance(texts, CaptionTexts):
                described = self.captions[texts.captions].dataset
                if described != task.dataset:
                    raise ValueError(
                        f"{where}.class_texts: {texts.captions!r} describes the data set "
                        f"{described!r}, not {task.dataset!r}"
                    )
        return self

    @model_validator(mode="after")
    def _fungalzsl_can_be_made(self) -> "Config":
        paper = self.papers.fungalzsl
        if paper is None:
            return self
        self._protocols_are_there("fungalzsl", paper.evaluation, {"retrieval", "zero_shot"})
        for source in paper.caption_sources:
            self._protocols_are_there("fungalzsl", source, {"zero_shot"})
        dataset = self.evaluation[paper.evaluation].dataset
        for run in (*paper.rows.values(), paper.figures_from):
            if self.training[run].dataset != dataset:
                raise ValueError(
                    f"papers.fungalzsl: the run {run!r} is trained on "
                    f"{self.training[run].dataset!r}, the evaluation is of {dataset!r}"
                )
        return self

    @model_validator(mode="after")
    def _bioclip_can_be_made(self) -> "Config":
        paper = self.papers.bioclip
        if paper is None:
            return self
        self._protocols_are_there("bioclip", paper.evaluation, {"text_types"})
        task = self.evaluation[paper.evaluation]
        tested = {paper.text_type, *map(paper.tested_with, paper.ablation)}
        if missing := sorted(tested - set(task.text_types)):
            raise ValueError(
                f"papers.bioclip: the evaluation {paper.evaluation!r} does not test the text type "
                f"{', '.join(missing)}; add it to evaluation.{paper.evaluation}.text_types"
            )
        for name in paper.few_shot:
            self._protocols_are_there("bioclip", name, {"few_shot"})
            other = self.evaluation[name]
            for key in ("dataset", "split", "seen_in"):
                # without seen_in the few-shot classes are all, whichever were seen
                if getattr(other, key) not in {getattr(task, key), None}:
                    raise ValueError(
                        f"papers.bioclip.few_shot: {name!r} and the evaluation "
                        f"{paper.evaluation!r} do not have the same {key}; zero-shot and few-shot "
                        "accuracies stand side by side"
                    )
        for run in (*paper.rows.values(), *paper.ablation.values(), paper.figures_from):
            if task.seen_in != self.training[run].dataset:
                raise ValueError(
                    f"papers.bioclip: the run {run!r} is trained on "
                    f"{self.training[run].dataset!r}, but the evaluation {paper.evaluation!r} "
                    f"counts species as seen in {task.seen_in!r}"
                )
        return self

    def _protocols_are_there(self, paper: str, evaluation: str, needed: set[Protocol]) -> None:
        if missing := sorted(needed - set(self.evaluation[evaluation].protocols)):
            raise ValueError(
                f"papers.{paper}: the evaluation {evaluation!r} lacks the protocol "
                f"{', '.join(missing)}"
            )

    @model_validator(mode="after")
    def _captions_match_their_data(self) -> "Config":
        for name, dataset in self.datasets.items():
            if dataset.captions and self.captions[dataset.captions].dataset != name:
                raise ValueError(
                    f"datasets.{name}.captions: {dataset.captions!r} describes the data set "
                    f"{self.captions[dataset.captions].dataset!r}"
                )
        for name, run in self.training.items():
            if "caption" in run.texts.types and not self.datasets[run.dataset].captions:
                raise ValueError(
                    f"training.{name}.texts: the data set {run.dataset!r} has no captions; set "
                    f"datasets.{run.dataset}.captions or choose other text types"
                )
        return self


def parse_config(values: dict[str, Any], files: Sequence[Path | str] = ()) -> Config:
    """The typed config of ``values``, as read from ``files`` (later ones override).

    Raises:
        InputError: names each wrong key with its file and line, and the nearest valid key.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        lines = [_explain(item, files) for item in error.errors()]
        raise InputError("config: " + "\n  ".join(["not valid.", *lines])) from None


def _explain(item: Any, files: Sequence[Path | str]) -> str:
    path = [str(part) for part in item["loc"]]
    if item["type"] == "extra_forbidden":
        message = f"unknown key {path[-1]!r}{_suggestion(path[-1], _valid_keys(path[:-1]))}"
    elif item["type"] == "missing":
        message = f"the key {path[-1]!r} is missing"
    else:
        given = "" if isinstance(item["input"], dict) else f" (given: {item['input']!r})"
        message = item["msg"].removeprefix("Value error, ") + given
    where = _place(path, files)
    return ": ".join(part for part in (where, ".".join(_without_tags(path)), message) if part)


def _suggestion(name: str, known: Any) -> str:
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    choices = ", ".join(sorted(known)) or "none"
    return f"; did you mean {nearest[0]!r}?" if nearest else f"; valid: {choices}"


def _valid_keys(path: list[str]) -> list[str]:
    """The keys that the schema allows in the section at ``path``."""
    schema = Config.model_json_schema()
    nodes = [schema]
    for part in path:
        nodes = [child for node in nodes for child in _children(node, part, schema)]
    nodes = [option for node in nodes for option in _options(node, schema)]
    return sorted({key for node in nodes for key in node.get("properties", {})})


def _children(node: dict[str, Any], part: str, schema: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for option in _options(node, schema):
        if part in option.get("properties", {}):
            found.append(option["properties"][part])
        elif isinstance(option.get("additionalProperties"), dict):
            found.append(option["additionalProperties"])
        elif isinstance(option.get("patternProperties"), dict):
            found += option["patternProperties"].values()
        elif option.get("properties", {}).get("kind", {}).get("const") == part:
            found.append(option)  # pydantic puts a union's tag into the path
    return found


def _options(node: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in node:
        return _options(schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], schema)
    unions = [*node.get("anyOf", []), *node.get("oneOf", [])]
    return [o for union in unions for o in _options(union, schema)] if unions else [node]


def _tagged(path: list[str]) -> list[bool]:
    """Which parts of a pydantic path are union tags and so stand in no file."""
    tags = []
    for i, part in enumerate(path):
        parent = _valid_keys(path[:i])
        tags.append(bool(parent) and part not in parent and i + 1 < len(path))
    return tags


def _without_tags(path: list[str]) -> list[str]:
    return [part for part, tag in zip(path, _tagged(path), strict=True) if not tag]


def _place(path: list[str], files: Sequence[Path | str]) -> str:
    """``file:line`` of the deepest part of ``path`` that a file has; the last file wins."""
    keys = _without_tags(path)
    for file in reversed(files):
        node = yaml.compose(Path(file).read_text(encoding="utf-8"))
        line = _line(node, keys)
        if line is not None:
            return f"{file}, line {line}"
    return ""


def _line(node: yaml.Node | None, keys: list[str]) -> int | None:
    line = None
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            pair = next((p for p in node.value if p[0].value == key), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and key.isdigit() and int(key) < len(node.value):
            node = node.value[int(key)]
            line = node.start_mark.line + 1
        else:
            break
    return line
