"""The texts that the images of a split carry: those of their class, and a caption of their own."""

from pathlib import Path

from nicheclip.data.labels import Labels
from nicheclip.data.mapped import MappedTable
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import CLASS_TEXTS, ROW_CAPTIONS
from nicheclip.terms import CLASS_TEXT_TYPES

#: the text type that belongs to an image, not to its class
CAPTION = "caption"


def captions_file(folder: Path, split: str) -> Path:
    """The captions of a split's images, in a data set's folder of texts."""
    return folder / f"{split}.arrow"


class SampleTexts:
    """Texts by the image's number and the text type; mapped into memory.

    Raises:
        InputError: a file is absent or damaged, or made for another state of the images.
    """

    def __init__(self, labels: Labels, class_texts: Path, captions: Path | None) -> None:
        """Open the files.

        Args:
            labels: of the images.
            class_texts: schema ``CLASS_TEXTS``.
            captions: schema ``ROW_CAPTIONS``; None: no image has one.
        """
        self._labels = labels
        self._classes = MappedTable(class_texts, CLASS_TEXTS)
        self._captions = MappedTable(captions, ROW_CAPTIONS) if captions else None
        for table, rows in ((self._classes, len(labels.classes)), (self._captions, len(labels))):
            if table is not None and len(table) != rows:
                raise InputError(
                    f"{table.path}: has {len(table)} rows, but {labels.file} asks for {rows}. "
                    "Run the workflow again: it makes what is out of date."
                )

    @property
    def files(self) -> list[Path]:
        """That the texts are read from."""
        return [table.path for table in (self._classes, self._captions) if table is not None]

    def text(self, row: int, text_type: str) -> str | None:
        """Of image number ``row``; None where it lacks this type."""
        if text_type == CAPTION:
            return self._captions.cell(CAPTION, row) if self._captions else None
        if text_type not in CLASS_TEXT_TYPES:
            return None
        found: str | None = self._classes.cell(text_type, self._labels.number(row))
        return found

    def class_texts(self, text_type: str) -> list[str | None]:
        """Of every class, by its number; made anew at each call."""
        found: list[str | None] = self._classes.column(text_type).to_pylist()
        return found

    def texts(self, row: int) -> dict[str, str]:
        """All texts of image number ``row``, by type."""
        found = {one: self.text(row, one) for one in (*CLASS_TEXT_TYPES, CAPTION)}
        return {text_type: text for text_type, text in found.items() if text}
