"""What a Darwin Core archive's ``meta.xml`` says of its tables."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from nicheclip.runtime.errors import InputError

META = "meta.xml"

_ESCAPES = {r"\t": "\t", r"\n": "\n", r"\r": "\r", r"\r\n": "\r\n"}


@dataclass(frozen=True)
class Form:
    """How a table is written; the header, if any, says nothing."""

    columns: Mapping[str, int]
    """Places of the terms, by the last part of their names."""
    defaults: Mapping[str, str]
    """Values of terms in rows that give none."""
    separator: str
    quote: str
    """Round fields; "" where they have none."""
    header_lines: int
    encoding: str


@dataclass(frozen=True)
class Described:
    """Tables of one form."""

    row_type: str
    """What a row is: the last part of the term, such as Taxon or Occurrence."""
    core: bool
    """Whether the archive is about these; else they extend its core."""
    places: tuple[str, ...]
    """Of the files, beside ``meta.xml``."""
    form: Form


def described_tables(text: bytes, shown: str, row_types: frozenset[str]) -> list[Described]:
    """The tables of some row types, the core first.

    Args:
        text: content of a ``meta.xml``.
        shown: its name in errors.
        row_types: which are wanted.

    Raises:
        InputError: it is no such file, or describes a table that cannot be read.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(f"{shown}: no XML ({error}). Download the archive again.") from None
    found = []
    for core, tag in ((True, "{*}core"), (False, "{*}extension")):
        for table in root.iterfind(tag):
            row_type = _term(table.get("rowType", ""))
            if row_type in row_types:
                named = table.iterfind("{*}files/{*}location")
                places = tuple((one.text or "").strip() for one in named)
                found.append(Described(row_type, core, places, _form(table, shown)))
    return found


def _form(table: ElementTree.Element, shown: str) -> Form:
    columns: dict[str, int] = {}
    defaults: dict[str, str] = {}
    for field in table.iterfind("{*}field"):
        name = _term(field.get("term", ""))
        if (place := field.get("index")) is not None:
            columns[name] = _number(place, "index", shown)
        if value := field.get("default"):
            defaults[name] = value
    for identifier in (*table.iterfind("{*}id"), *table.iterfind("{*}coreid")):
        first = _number(identifier.get("index", "0"), "index", shown)
        columns = {"id": first, "taxonID": first} | columns
    ends = _character(table, "linesTerminatedBy", "\n")
    separator = _character(table, "fieldsTerminatedBy", ",")
    quote = _character(table, "fieldsEnclosedBy", '"')
    if ends not in ("\n", "\r\n") or len(separator.encode()) != 1 or len(quote.encode()) > 1:
        raise InputError(
            f"{shown}: lines end in {ends!r}, fields in {separator!r}, and {quote!r} stands round "
            "them; expected line feeds and single ASCII characters. Write the table as CSV."
        )
    encoding = table.get("encoding") or "utf-8"
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise InputError(f"{shown}: the encoding {encoding!r} is unknown. Correct it.") from None
    lines = _number(table.get("ignoreHeaderLines") or "0", "ignoreHeaderLines", shown)
    return Form(columns, defaults, separator, quote, lines, encoding)


def _term(name: str) -> str:
    """``kingdom`` of ``http://rs.tdwg.org/dwc/terms/kingdom``."""
    return name.replace("#", "/").rpartition("/")[2]


def _character(table: ElementTree.Element, attribute: str, default: str) -> str:
    value = table.get(attribute, default)
    return _ESCAPES.get(value, value)


def _number(value: str, attribute: str, shown: str) -> int:
    if not value.isdecimal() or int(value) > 1000:
        raise InputError(f"{shown}: {attribute} is {value!r}, expected a number. Correct it.")
    return int(value)
