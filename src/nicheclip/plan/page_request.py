"""What stands on the report's first page, as the job that writes it is told."""

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetPart(_Part):
    """What is said of a data set."""

    name: str
    manifest: str
    """Of curate."""
    findings: str
    """What cannot be judged or trained on it: see ``plan.findings``."""
    catalog: str
    images: str
    """The folder of the folders of its splits."""
    near_duplicate_bits: int | None
    """Versions of a photograph differ in at most so many; None where they are not looked for."""


class WrongPart(_Part):
    """What one model gets wrong in one evaluation."""

    title: str
    figure: str | None
    """The confusion matrix, an SVG file; None where there is none."""
    by_text_type: bool
    """The predictions are those of each text type and group of classes."""
    predictions: str
    classes: str
    catalog: str
    images: str
    """Folder of the split that was judged."""


class EvaluationPart(_Part):
    """One evaluation: its table, and the mistakes of its models."""

    name: str
    table: str
    """An HTML page."""
    metrics: list[str]
    """Of all of its cells."""
    wrong: list[WrongPart]
    calibration: dict[str, str] = {}
    """The reliability diagrams, SVG files, by title."""


class CaptionPart(_Part):
    """One caption set."""

    name: str
    captions: str
    """Schema ``CAPTIONS``."""
    manifest: str
    catalog: str
    """Of the data set that it describes."""
    images: str
    """The folder of the folders of its splits."""


class SourcesPart(_Part):
    """Sources of class texts that are compared by one model."""

    evaluations: list[str]
    """One for each source."""
    captions: dict[str, str] = {}
    """The caption set of an evaluation, where its texts are captions."""
    metrics: list[str]
    """Zero-shot, of each evaluation and seed."""


class PagePlan(_Part):
    """The whole page."""

    title: str
    datasets: list[DatasetPart]
    evaluations: list[EvaluationPart]
    answers: dict[str, str] = {}
    """Pages with what adapted models say of images without labels, relative to the page."""
    predictions: dict[str, WrongPart] = {}
    """Pages of pictures with what a model takes them for, relative to the page."""
    captions: list[CaptionPart] = []
    sources: SourcesPart | None = None
    papers: list[str]
    """Tables of the papers, HTML pages."""
    training: dict[str, str]
    """The curves of each run, SVG files."""
    random_starts: list[str]
    """Runs that start from random weights."""
    single_seeds: list[str]
    """Runs with one seed."""
    leaderboard: str | None = None
    """The leaderboard, relative to the page; None where nothing is judged."""
    details: str
    """Snakemake's own report, relative to the page."""

    @property
    def pages(self) -> list[str]:
        """The pages that are written beside the report."""
        return [f"results/{page}" for page in self.predictions]

    def inputs(self) -> list[str]:
        """The files that are read; those of cells are in their jobs' folders, which rules name."""
        files = [
            file for one in self.datasets for file in (one.manifest, one.findings, one.catalog)
        ]
        for captions in self.captions:
            files += [captions.captions, captions.manifest, captions.catalog]
        for evaluation in self.evaluations:
            files += [evaluation.table, *evaluation.calibration.values()]
            for part in evaluation.wrong:
                files += [part.figure] if part.figure else []
                files += [part.classes, part.catalog, f"{part.images}/images.arrow"]
        files += [f"results/{self.leaderboard}"] if self.leaderboard else []
        return list(dict.fromkeys([*files, *self.papers, *self.training.values()]))
