"""Config of the papers' tables: which run fills which row."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from nicheclip.config.base import ConfigModel
from nicheclip.terms import TextType


class PaperConfig(ConfigModel):
    """Which evaluations and training runs a paper's tables show."""

    title: ClassVar[str]
    """As the report has it."""
    evaluations: ClassVar[tuple[str, ...]]
    """The keys that name evaluations: one, or a list."""
    runs: ClassVar[tuple[str, ...]]
    """The keys that name training runs: one, or runs by label."""

    def settings(self) -> dict[str, Any]:
        """What tables may name, by key."""
        return {key: getattr(self, key) for key in type(self).model_fields}

    def references(self) -> Iterator[tuple[str, str, str]]:
        """(key, name, section) of every name that must be in another section of the config."""
        for section, keys in (("evaluation", self.evaluations), ("training", self.runs)):
            for key in keys:
                found = getattr(self, key)
                if isinstance(found, Mapping):
                    yield from ((f"{key}.{label}", name, section) for label, name in found.items())
                else:
                    names = [found] if isinstance(found, str) else found or []
                    yield from ((key, name, section) for name in names)


class FungalzslConfig(PaperConfig):
    """FungalZSL, Table 1 and figures 4 and 5."""

    title = "FungalZSL"
    evaluations = ("evaluation", "caption_sources")
    runs = ("rows", "figures_from")

    rows: dict[str, str] = Field(min_length=1)
    """Row label of Table 1 (`RN50`, ... or the demo's own) and the training run that fills it."""
    evaluation: str
    """The evaluation with the `retrieval` protocol, by its name under `evaluation`."""
    caption_sources: list[str] = Field(min_length=1)
    """Figure 4: the evaluations that are compared, one for each source of class texts; each uses
    the `zero_shot` protocol."""
    figures_from: str
    """The training run, by name, whose first seed figures 4 and 5 show."""


TrainedOn = TextType | Literal["mixed"]


class BioclipConfig(PaperConfig):
    """BioCLIP: taxonomy as text, judged on species that training saw and on others."""

    title = "BioCLIP"
    evaluations = (
        "evaluation",
        "few_shot",
        "ablation_evaluation",
        "objectives_few_shot",
        "objectives_benchmarks",
        "benchmarks",
    )
    runs = ("rows", "ablation", "objectives", "figures_from")

    rows: dict[str, str] = Field(min_length=1)
    """Row label of the tables and the training run that fills it; trained on mixed text types."""
    evaluation: str
    """The evaluation with the `text_types` protocol, by its name under `evaluation`."""
    few_shot: list[str] = Field(min_length=1)
    """Evaluations with the `few_shot` protocol, for example one of seen and one of unseen species;
    each is shown beside zero-shot among the same classes."""
    text_type: TextType = "taxon_com"
    """The text type that models are tested with, where a table or figure has one only."""
    ablation: dict[TrainedOn, str] = Field(min_length=1)
    """Text-type ablation: the training run of each text type, and of their mixture (`mixed`)."""
    comparisons: list[tuple[TrainedOn, TrainedOn]] = Field(default=[])
    """Pairs of `ablation` whose accuracies are compared image by image, each run tested with the
    text type that it was trained on, and `mixed` with `text_type`."""
    ablation_evaluation: str | None = None
    """The evaluation with `text_types` that judges the ablation, where it trains on other data;
    null: `evaluation`."""
    objectives: dict[str, str] = Field(default={})
    """Ablation of objectives: row label and training run."""
    objectives_few_shot: list[str] = Field(default=[])
    """The evaluations with `few_shot` that judge the objectives; empty: those of `few_shot`."""
    objectives_benchmarks: list[str] = Field(default=[])
    """The table of objectives on benchmarks, with their mean: evaluations of one data set each with
    the `few_shot` protocol, with 1 and 5 `shots`; each judges all of `objectives`."""
    benchmarks: list[str] = Field(default=[])
    """The table of benchmarks: evaluations with the `zero_shot` protocol, of any number of data
    sets; each judges all of `benchmark_models`."""
    benchmark_models: dict[str, str] = Field(default={})
    """Its row labels: each a training run, or a start model that is judged as it is."""
    figures_from: str
    """The training run, by name, whose first seed the figures of the tree show."""

    def settings(self) -> dict[str, Any]:
        """With the evaluations that stand for those that are left out, the objectives that have
        benchmarks, and the first benchmark, from which their table takes what all have in common.
        """
        benchmarks = self.objectives_benchmarks
        first = {"first_objectives_benchmark": benchmarks[0]} if benchmarks else {}
        return super().settings() | {
            **first,
            "benchmarked_objectives": self.objectives if benchmarks else {},
            "ablation_evaluation": self.ablation_evaluation or self.evaluation,
            "objectives_few_shot": self.objectives_few_shot or self.few_shot,
        }

    @model_validator(mode="after")
    def _benchmarks_have_models(self) -> "BioclipConfig":
        if bool(self.benchmarks) != bool(self.benchmark_models):
            raise ValueError("benchmarks and benchmark_models: give both, or neither")
        return self

    @model_validator(mode="after")
    def _benchmarks_have_objectives(self) -> "BioclipConfig":
        if self.objectives_benchmarks and not self.objectives:
            raise ValueError(
                "objectives_benchmarks: there are no objectives; give both, or neither"
            )
        return self

    @model_validator(mode="after")
    def _comparisons_are_of_the_ablation(self) -> "BioclipConfig":
        for pair in self.comparisons:
            for label in pair:
                if label not in self.ablation:
                    raise ValueError(
                        f"comparisons: {label!r} is not in ablation ({', '.join(self.ablation)})"
                    )
            if pair[0] == pair[1]:
                raise ValueError(f"comparisons: {pair[0]!r} is compared with itself")
        return self


class FairConfig(PaperConfig):
    """FAIR: adaptation without labels, beside the methods that it is compared with."""

    title = "FAIR"
    evaluations = ()
    runs = ()
    rows: ClassVar[tuple[str, ...]] = (
        "methods",
        "vit_b_16",
        "ablations",
        "inductive",
        "transductive",
        "weights",
        "labellers",
        "metaclip",
        "parameters",
        "tuning",
        "crops",
        "batched",
    )
    columns: ClassVar[tuple[str, ...]] = (
        "tasks",
        "transductive_tasks",
        "ablation_tasks",
        "parameter_tasks",
        "crop_tasks",
        "batched_tasks",
    )

    columns_of: ClassVar[dict[str, str]] = {
        "methods": "tasks",
        "transductive": "transductive_tasks",
        "parameters": "parameter_tasks",
        "crops": "crop_tasks",
        "batched": "batched_tasks",
    }

    methods: dict[str, str] = Field(min_length=1)
    """Table 1: row label and the adaptation that fills it; and the table of costs."""
    tasks: list[str] = Field(min_length=1)
    """The columns of tables 1 and of costs, the rows of table 6: inductive tasks."""
    vit_b_16: dict[str, str] = Field(default={})
    """Table 2, methods with ViT-B/16: row label and adaptation, as in all that follow."""
    ablations: dict[str, str] = Field(default={})
    """Table 3: parts of FAIR."""
    inductive: dict[str, str] = Field(default={})
    """Table 4, its inductive rows."""
    transductive: dict[str, str] = Field(default={})
    """Table 4, its transductive rows."""
    weights: dict[str, str] = Field(default={})
    """Table 5: factors of FAIR's weight."""
    labellers: dict[str, str] = Field(default={})
    """Table 7: what gives the labels."""
    metaclip: dict[str, str] = Field(default={})
    """Table 8, methods with MetaCLIP."""
    parameters: dict[str, str] = Field(default={})
    """Table 9: how many parameters train."""
    tuning: dict[str, str] = Field(default={})
    """Table 10: what trains beside the anchors."""
    crops: dict[str, str] = Field(default={})
    """Figure 10 as a table: numbers of crops."""
    transductive_tasks: list[str] = Field(default=[])
    """The columns of the transductive table: tasks that fit the images that they judge."""
    ablation_tasks: list[str] = Field(default=[])
    """The columns of tables 2, 3, 5, 7, 8 and 10 and of the inductive rows of table 4: inductive
    tasks."""
    parameter_tasks: list[str] = Field(default=[])
    """The column of table 9."""
    crop_tasks: list[str] = Field(default=[])
    """The columns of the table of crops."""
    batched: dict[str, str] = Field(default={})
    """The table of tasks in batches."""
    batched_tasks: list[str] = Field(default=[])
    """Its tasks."""

    def settings(self) -> dict[str, Any]:
        """With the tasks that tables take what all have in common from, and the first method."""
        firsts = {f"first_{key}": getattr(self, key)[:1] for key in self.columns}
        firsts["first_method"] = list(self.methods.values())[:1]
        return super().settings() | {key: found[0] for key, found in firsts.items() if found}

    def references(self) -> Iterator[tuple[str, str, str]]:
        """See ``PaperConfig``."""
        for key in self.rows:
            for label, name in getattr(self, key).items():
                yield f"{key}.{label}", name, "adaptation"
        for key in self.columns:
            yield from ((key, name, "tasks") for name in getattr(self, key))

    @model_validator(mode="after")
    def _rows_have_columns(self) -> "FairConfig":
        for key in self.rows:
            columns = self.columns_of.get(key, "ablation_tasks")
            if getattr(self, key) and not getattr(self, columns):
                raise ValueError(f"{key}: its columns are missing; name tasks in {columns}")
        return self


class AgriclipConfig(PaperConfig):
    """AgriCLIP: captions, self-supervision and alignment, judged on downstream tasks."""

    title = "AgriCLIP"
    evaluations = ("tasks", "prompts")
    runs = ("clip",)
    alignments: ClassVar[tuple[str, ...]] = (
        "agriclip",
        "fused",
        "domain_general",
        "general_domain",
        "general_general",
    )

    tasks: list[str] = Field(min_length=1)
    """The downstream tasks: evaluations with the `zero_shot` protocol; each judges all the rest."""
    clip: str
    """The training run on captions; what it starts from is the general CLIP."""
    agriclip: str
    """The alignment of self-supervision on images of the domain to the CLIP of `clip`."""
    fused: str
    """The same with fusion."""
    domain_general: str
    """The ablation: the alignment of the same self-supervision to the general CLIP."""
    general_domain: str
    """That of self-supervision on general images to the CLIP of `clip`."""
    general_general: str
    """That of self-supervision on general images to the general CLIP."""
    fits: dict[str, str] = Field(default={})
    """The table of linear maps: row label and alignment."""
    prompts: list[str] = Field(default=[])
    """The table of prompts: evaluations of one data set each, with the `zero_shot` protocol, one
    for each source of class texts; each judges `clip`, `agriclip` and `fused`."""

    def settings(self) -> dict[str, Any]:
        """With the first task, from which tables take what all have in common."""
        return super().settings() | {"first_task": self.tasks[0]}

    def references(self) -> Iterator[tuple[str, str, str]]:
        """See ``PaperConfig``."""
        yield from super().references()
        yield from ((key, getattr(self, key), "alignment") for key in self.alignments)
        yield from ((f"fits.{label}", name, "alignment") for label, name in self.fits.items())


class PapersConfig(ConfigModel):
    """The papers to reproduce; a paper that is absent is not made."""

    fungalzsl: FungalzslConfig | None = None
    bioclip: BioclipConfig | None = None
    fair: FairConfig | None = None
    agriclip: AgriclipConfig | None = None
