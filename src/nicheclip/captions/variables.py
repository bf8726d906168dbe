"""The values of a prompt's variables, from the config and from a table of the classes."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nicheclip.captions.prompts import Prompt, Variable, load
from nicheclip.config.llm_backends import LlmBackend, Value
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import expand_path, read_text


@dataclass(frozen=True)
class Values:
    """What fills a prompt's own slots."""

    dataset: Mapping[str, str]
    classes: Mapping[str, Mapping[str, str]]
    """By class_id."""
    file: Path | None
    """That the classes' values come from."""

    def of_class(self, class_id: str) -> dict[str, str]:
        """The values for a class; raises InputError where the file lacks the class."""
        if self.file is not None and class_id not in self.classes:
            raise InputError(f"{self.file}: no row with class_id {class_id!r}. Add one.")
        return {**self.dataset, **self.classes.get(class_id, {})}


def read_values(backend: LlmBackend, prompts: Path) -> tuple[Prompt, Values]:
    """The prompt of ``backend`` and the values of its variables.

    Raises:
        InputError: no such prompt; a variable without a value, of another type, or that the prompt
            does not have; a table that lacks a column or a value.
    """
    prompt = load(prompts, backend.prompt, Prompt)
    place = f"backend.variables, for the prompt {backend.prompt!r}"
    ours = {name: v for name, v in prompt.variables.items() if v.of == "dataset"}
    if unknown := sorted(backend.variables.keys() - ours.keys()):
        raise InputError(
            f"{place}: it has no variable {unknown[0]!r} of the data set; it has "
            f"{', '.join(sorted(ours)) or 'none'}."
        )
    dataset = {
        name: _text(backend.variables.get(name), variable, f"{place}: {name}")
        for name, variable in ours.items()
    }
    theirs = {name: v for name, v in prompt.variables.items() if v.of == "class"}
    required = [name for name, variable in theirs.items() if variable.default is None]
    if backend.class_variables is None:
        if required:
            raise InputError(
                f"backend.class_variables: the prompt {backend.prompt!r} needs a CSV file with the "
                f"columns class_id, {', '.join(theirs)} ({theirs[required[0]].about})."
            )
        defaults = {name: str(variable.default) for name, variable in theirs.items()}
        return prompt, Values({**dataset, **defaults}, {}, None)
    file = expand_path(backend.class_variables)
    return prompt, Values(dataset, _classes(file, theirs, required), file)


def _classes(
    file: Path, variables: Mapping[str, Variable], required: Iterable[str]
) -> dict[str, dict[str, str]]:
    reader = csv.DictReader(io.StringIO(read_text(file), newline=""))
    columns = reader.fieldnames or []
    for column in ("class_id", *required):
        if column not in columns:
            raise InputError(
                f"{file}: no column {column!r}; it has {', '.join(columns) or 'none'}."
            )
    found: dict[str, dict[str, str]] = {}
    for row in reader:
        class_id = row["class_id"]
        if class_id in found:
            raise InputError(f"{file}, line {reader.line_num}: a second row of {class_id!r}.")
        found[class_id] = {
            name: _text(row.get(name) or None, variable, f"{file}, line {reader.line_num}: {name}")
            for name, variable in variables.items()
        }
    return found


def _text(value: Value | None, variable: Variable, place: str) -> str:
    """``value`` as it is written into the prompt."""
    if value is None or value in ("", []):
        if variable.default is not None:
            return variable.default
        raise InputError(f"{place} is not filled. Expected {variable.about}.")
    if variable.type == "list":
        parts = value if isinstance(value, list) else str(value).split(";")
        items = [part.strip() for part in parts]
        return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
    if isinstance(value, list):
        raise InputError(f"{place}: expected one value, not a list.")
    text = str(value).strip()
    if variable.type == "choice" and text not in variable.choices:
        raise InputError(f"{place}: {text!r} is none of {', '.join(variable.choices)}.")
    if variable.type == "number" and not _is_number(text):
        raise InputError(f"{place}: {text!r} is not a number.")
    return text


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)  # not a number is none
    except ValueError:
        return False
