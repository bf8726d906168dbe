"""What the variants of a subject are judged by on one split: one job encodes, one job judges."""

from dataclasses import dataclass

from nicheclip.plan.cells import Cell, job_folder
from nicheclip.subjects import Kind, Subject


@dataclass(frozen=True)
class SubjectJob:
    """All cells of a subject's variants on one split of a data set."""

    dataset: str
    split: str
    kind: Kind
    name: str
    cells: tuple[Cell, ...]
    learnt: tuple[Subject, ...] = ()
    """Variants whose features of this split others learn from."""

    @property
    def folder(self) -> str:
        """Where its cells lie."""
        return job_folder(self.dataset, self.split, self.kind, self.name)

    @property
    def features(self) -> str:
        """The manifest of the features of all variants."""
        return f"results/features/{self.dataset}/{self.split}/{self.kind}/{self.name}/manifest.json"

    @property
    def subjects(self) -> list[Subject]:
        """The variants."""
        return list(dict.fromkeys([*(cell.subject for cell in self.cells), *self.learnt]))

    @property
    def variants(self) -> list[str]:
        """Their names."""
        return [subject.variant for subject in self.subjects]

    @property
    def model_files(self) -> list[str]:
        """Of all variants."""
        return [file for subject in self.subjects for file in subject.files()]

    @property
    def evaluations(self) -> list[str]:
        """That judge it, by name."""
        return list(dict.fromkeys(cell.evaluation for cell in self.cells))

    @property
    def tasks(self) -> list[tuple[str, str]]:
        """(evaluation, protocol) of each task; every variant is judged by all of them."""
        return list(dict.fromkeys((cell.evaluation, cell.protocol) for cell in self.cells))

    @property
    def protocols(self) -> list[str]:
        """That judge it."""
        return sorted({cell.protocol for cell in self.cells})
