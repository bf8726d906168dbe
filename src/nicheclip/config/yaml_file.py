"""YAML files of the user: read strictly, with errors that name file, line and key."""

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import read_text

#: what PyYAML raises beside its own errors, for numbers, dates and tags that it cannot convert
_UNCONVERTED = (ValueError, TypeError, KeyError, AttributeError)
MOST_ENTRIES = 1_000_000
_HALF = re.compile("[\ud800-\udfff]")
_MERGE = "tag:yaml.org,2002:merge"


class _Refused(yaml.MarkedYAMLError):
    """Valid YAML that says something twice, or without end."""


class _StrictLoader(yaml.SafeLoader):
    """Refuses what PyYAML takes in silence: repeated keys, entries inside themselves, and halves
    of characters."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._open: list[Any] = []
        """Anchors of the mappings and lists around the present place."""
        self._sizes: dict[int, int] = {}
        """Entries of the mappings and lists so far, by the id of their node."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            if event.anchor in self._open:
                problem = f"*{event.anchor} stands inside the entry &{event.anchor} that it repeats"
                raise _Refused(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def compose_sequence_node(self, anchor: Any) -> yaml.SequenceNode:
        self._open.append(anchor)
        node = super().compose_sequence_node(anchor)
        self._open.pop()
        self._refuse_floods(node, node.value)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        self._open.append(anchor)
        node = super().compose_mapping_node(anchor)
        self._open.pop()
        self._refuse_floods(node, [value for _, value in node.value])
        self._refuse_repeats([key for key, _ in node.value if isinstance(key, yaml.ScalarNode)])
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if _HALF.search(node.value):
            problem = f"{node.value!r} holds half of a character; write the character itself"
            raise _Refused(problem=problem, problem_mark=node.start_mark)
        return node

    def _refuse_floods(self, node: yaml.Node, values: list[yaml.Node]) -> None:
        """A few lines of aliases of aliases may stand for more entries than memory holds."""
        size = sum(self._sizes.get(id(value), 1) for value in values)
        if size > MOST_ENTRIES:
            problem = f"aliases make more than {MOST_ENTRIES:,} entries; write fewer"
            raise _Refused(problem=problem, problem_mark=node.start_mark)
        self._sizes[id(node)] = size

    def _refuse_repeats(self, keys: list[yaml.ScalarNode]) -> None:
        lines: dict[Any, int] = {}
        for key in keys:
            if key.tag == _MERGE:
                continue
            value = self.construct_object(key)
            if value in lines:
                problem = f"the key {key.value!r} repeats that of line {lines[value]}; keep one"
                raise _Refused(problem=problem, problem_mark=key.start_mark)
            lines[value] = key.start_mark.line + 1


def read_yaml(path: Path | str) -> Any:
    """The content of the YAML file at ``path``; None where it is empty.

    Raises:
        InputError: the file cannot be read or is not YAML, a key is repeated, or an entry stands
            inside itself; names file and line.
    """
    return _read(path, _StrictLoader.get_single_data)


def compose_yaml(path: Path | str) -> yaml.Node | None:
    """The same with the line of each key and value; raises as ``read_yaml``."""
    node: yaml.Node | None = _read(path, _StrictLoader.get_single_node)
    return node


def _read(path: Path | str, get: Callable[[_StrictLoader], Any]) -> Any:
    text = read_text(path)
    try:
        loader = _StrictLoader(text)
        return get(loader)
    except yaml.MarkedYAMLError as error:
        raise InputError(_complaint(path, text, error)) from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InputError(f"{path}: entries are nested too deeply; write them flatter.") from None
    except _UNCONVERTED as error:
        raise InputError(
            f"{path}: not YAML: a number, date or tag cannot be read ({error}). Put quotation "
            "marks around it if it is a text."
        ) from None


def _complaint(path: Path | str, text: str, error: yaml.MarkedYAMLError) -> str:
    """PyYAML's error in a line, or our own."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return f"{path}: not YAML: {' '.join(str(error).split())}"
    place = f"{path}, line {mark.line + 1}"
    if isinstance(error, _Refused):
        return f"{place}: {error.problem}."
    line = "".join(text.splitlines()[mark.line : mark.line + 1])
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return f"{place}: not YAML: the line is indented with a tab. Indent with spaces."
    return f"{place}: not YAML: {', '.join(filter(None, (error.context, error.problem)))}."


def read_yaml_once(path: Path | str) -> Any:
    """``read_yaml``, and the same value again as long as the file is the same: do not change it.

    The plan asks for an entry of the registry many times.
    """
    file = Path(path)
    try:
        written = file.stat()
    except OSError:
        return read_yaml(file)
    return _version(str(file.resolve()), written.st_mtime_ns, written.st_size, str(path))


@lru_cache(maxsize=256)
def _version(file: str, written: int, size: int, named: str) -> Any:
    del file, written, size  # of the key
    return read_yaml(named)
