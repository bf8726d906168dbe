"""Cells: one subject judged by one protocol of one evaluation on one data set."""

from dataclasses import dataclass

from nicheclip.subjects import Kind, Subject


@dataclass(frozen=True)
class Cell:
    """One entry of the grid."""

    subject: Subject
    evaluation: str
    dataset: str
    split: str
    protocol: str

    @property
    def job(self) -> str:
        """The folder of the job that judges it: all variants of a subject on one data set, or all
        that was adapted to a task.
        """
        if self.subject.kind == "adapted":
            return job_folder(self.dataset, self.split, "adapted", self.evaluation)
        return job_folder(self.dataset, self.split, self.subject.kind, self.subject.name)

    @property
    def folder(self) -> str:
        """Where its files lie."""
        job = self.job
        if self.subject.kind == "adapted":
            job += "/" + self.subject.name.removesuffix(f"/{self.evaluation}")
        return f"{job}/{self.subject.variant}/{self.evaluation}/{self.protocol}"

    @property
    def metrics(self) -> str:
        """What was measured."""
        return f"{self.folder}/metrics.json"

    @property
    def predictions(self) -> str:
        """What was answered for each image; few-shot has none."""
        return f"{self.folder}/predictions.parquet"


def job_folder(dataset: str, split: str, kind: Kind, name: str) -> str:
    """The folder with all cells of a subject's variants (or of a task) on a split of a data set."""
    return f"results/evaluate/{dataset}/{split}/{kind}/{name}"
