"""The texts of each class, as features."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nicheclip.adaptation.checks import check_features
from nicheclip.runtime.errors import InputError


@dataclass(frozen=True)
class ClassTexts:
    """Features of t texts that belong to C classes; a class may have any number of them."""

    class_names: tuple[str, ...]
    """C names, each another one."""
    features: Tensor
    """[t, d], each row of length 1."""
    owners: Tensor
    """[t], int64: the class of each text, as a row of ``class_names``."""

    def __post_init__(self) -> None:
        """Raise InputError if names repeat, or names, features and owners do not fit."""
        check_names(self.class_names)
        check_features(self.features, "text features")
        owners = self.owners
        if owners.shape != self.features.shape[:1] or owners.dtype != torch.int64:
            raise InputError(
                f"class texts: owners {list(owners.shape)} of {owners.dtype} for "
                f"{len(self.features)} texts; expected one int64 for each text."
            )
        if int(owners.min()) < 0 or int(owners.max()) >= len(self.class_names):
            raise InputError(
                f"class texts: owners from {int(owners.min())} to {int(owners.max())}; expected "
                f"rows of the {len(self.class_names)} class names."
            )

    @classmethod
    def of(cls, class_names: Sequence[str], texts: Sequence[Tensor]) -> "ClassTexts":
        """From the features [t_c, d] of each class's texts, in the order of the names."""
        check_names(class_names)
        if len(class_names) != len(texts):
            raise InputError(
                f"class texts: {len(texts)} lists of texts for {len(class_names)} class names; "
                "expected one list for each class."
            )
        if not any(len(part) for part in texts):
            raise InputError(f"class texts: none of the {len(texts)} classes has a text.")
        filled = [part for part in texts if len(part)]
        counts = torch.tensor([len(part) for part in texts], device=filled[0].device)
        rows = torch.arange(len(texts), device=filled[0].device)
        return cls(tuple(class_names), torch.cat(filled), rows.repeat_interleave(counts))

    @property
    def classes(self) -> int:
        """C."""
        return len(self.class_names)

    def to(self, device: torch.device) -> "ClassTexts":
        """The same texts on ``device``."""
        if self.features.device == device:
            return self
        return ClassTexts(self.class_names, self.features.to(device), self.owners.to(device))

    def float(self) -> "ClassTexts":
        """The same texts as float32."""
        return ClassTexts(self.class_names, self.features.float(), self.owners)

    def counts(self) -> Tensor:
        """[C], int64: how many texts each class has."""
        return torch.bincount(self.owners, minlength=self.classes)

    def sums(self, weights: Tensor | None = None) -> Tensor:
        """[C, d]: the sum of each class's features, times ``weights`` [t] if given."""
        features = self.features if weights is None else weights[:, None] * self.features
        zeros = features.new_zeros(self.classes, features.shape[1])
        return zeros.index_add(0, self.owners, features)

    def check_every_class(self, kind: str = "text") -> None:
        """Raise InputError if a class has no text; ``kind`` says what is missing."""
        without = (self.counts() == 0).nonzero().flatten().tolist()
        if without:
            names = ", ".join(repr(self.class_names[row]) for row in without[:5])
            raise InputError(
                f"class texts: {len(without)} of {self.classes} classes have no {kind}: {names}"
                f"{', ...' if len(without) > 5 else ''}. Give each class one, or leave the class "
                "out."
            )


def check_names(class_names: Sequence[str]) -> None:
    """Raise InputError if there is no name, or two classes have one name."""
    if not class_names:
        raise InputError("class names: there are none. Name at least one class.")
    repeated = sorted({name for name in class_names if class_names.count(name) > 1})
    if repeated:
        raise InputError(
            f"class names: {len(repeated)} names belong to several classes, the first "
            f"{repeated[0]!r}. No text can tell such classes apart: join them, or make the names "
            "longer."
        )
