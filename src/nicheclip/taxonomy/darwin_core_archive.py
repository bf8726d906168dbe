"""``meta.xml`` of a Darwin Core archive: which tables it has, and how they are written."""

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
class Description:
    """The tables of an archive, by their places beside ``meta.xml``."""

    taxa: str
    common: tuple[str, ...]
    """Tables of common names."""
    forms: Mapping[str, Form]


def read_description(text: bytes, shown: str) -> Description:
    """What ``meta.xml`` says.

    Args:
        text: its content.
        shown: its name in errors.

    Raises:
        InputError: it is no such file, has no table of taxa, or a table that cannot be read.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(f"{shown}: no XML ({error}). Download the archive again.") from None
    taxa: list[str] = []
    common: list[str] = []
    forms: dict[str, Form] = {}
    for table in (*root.iterfind("{*}core"), *root.iterfind("{*}extension")):
        kind = _term(table.get("rowType", ""))
        if kind in ("Taxon", "VernacularName"):
            named = table.iterfind("{*}files/{*}location")
            places = [(one.text or "").strip() for one in named]
            (taxa if kind == "Taxon" else common).extend(places)
            forms |= dict.fromkeys(places, _form(table, shown))
    if len(taxa) != 1:
        raise InputError(
            f"{shown}: {len(taxa)} tables of the row type Taxon, expected one. Give a checklist, "
            "not occurrences or media."
        )
    return Description(taxa[0], tuple(common), forms)


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
