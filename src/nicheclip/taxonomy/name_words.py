"""The words and patterns that scientific names are read by."""

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LOWER = "a-zà-öø-ÿāăćčďēěğīłńňōőœřśşšťūůűźżžß"
UPPER = "A-ZÀ-ÖØ-ÞŒŠŽ"

GENUS = re.compile(rf"[{UPPER}][{LOWER}]+(?:-[{UPPER}]?[{LOWER}]+)?\??")
ABBREVIATED_GENUS = re.compile(r"[A-Z][a-z]{0,2}\.")
SUBGENUS = re.compile(rf"\(([{UPPER}][{LOWER}-]+)\.?\)")
EPITHET = re.compile(
    rf"(?:\d{{1,2}}-?[{LOWER}]+|[{LOWER}]-[{LOWER}]+|[{LOWER}]'?[{LOWER}]+)(?:-[{LOWER}]+)*"
)
BARCODE_INDEX = re.compile(r"\bBOLD[:-][A-Za-z]{3}\d{4}\b")
#: whole words but for "...virus": Amphiprion is a fish
VIRUS = re.compile(
    r"(?i)(?:virus(?:es)?|vir(?:inae|idae)|\b(?:viroid|(?:bacterio)?phage|plasmid|prion)s?)\b"
)
NO_NAME = re.compile(
    r"(?i)(?:un(?:identified|known|cultured|named|classified|assigned|specified)|not|none|no|nan"
    r"|null|n/?a|environmental|incertae|pleasehelp|\(unidentified\))\b|.*\bincertae sedis\b"
)
YEAR = re.compile(r"(?<!\d)(1[5-9]\d\d|20\d\d)(?!\d)")
NUMBERED_SPECIES = re.compile(r"(?:sp|spec|morphosp)\.?[-_]?\d+[a-z]?|(?:sp|spec)\.[A-Z0-9].*")

#: open nomenclature (Bengtson 1988): no species, a comparable one, a near one
UNDESCRIBED = _words("sp sp. spp spp. spec spec. species n.sp. sp.n. sp.nov.")
COMPARED = _words("cf cf. cfr cfr. conf.")
NEAR = _words("aff aff. affin. nr nr. near prox.")

SECTIONS = _words("subgen. subgen subg. subg sect. sect subsect. ser. trib.")

#: rank markers below the species and how GNparser writes them
MARKERS = {
    "subsp": "subsp.", "ssp": "subsp.", "var": "var.", "subvar": "subvar.", "f": "f.",
    "fo": "f.", "form": "f.", "forma": "f.", "subf": "subf.", "subforma": "subf.", "ab": "ab.",
    "aberration": "ab.", "convar": "convar.", "pv": "pv.", "pathovar": "pv.", "morph": "morph",
    "morpha": "morph", "nothosubsp": "nothosubsp.", "nothovar": "nothovar.", "natio": "natio",
    "race": "race", "mut": "mut.", "bv": "bv.", "biovar": "bv.", "lusus": "lusus",
    "prol": "prol.", "proles": "prol.",
}  # fmt: skip

#: words that begin an author's name, but an epithet where nothing follows
PARTICLES = _words(
    "af auf da dal das de dei del della delle den der des di do dos du e in la las le lo los ten "
    "ter to und v van vom von zu zum zur d' y et and apud or"
)
NEVER_EPITHETS = _words(
    "agg al auct cf complex coll cv emend ex fil group gr grex hort non nom nov not nec of orth "
    "pro s sec sensu serovar serotype sic sp ssp spp str strain the var with × x nr aff spec "
    "species near cfr"
)
#: what follows them is a remark, not an author
REMARKS = _words("auct hort sensu sec nom non nec emend comb ined orth pro s ex")

NUMBERS = {
    2: "bi", 3: "tri", 4: "quadri", 5: "quinque", 6: "sex", 7: "septem", 8: "octo", 9: "novem",
    10: "decem", 11: "undecim", 12: "duodecim", 13: "tredecim", 14: "quatuordecim",
    15: "quindecim", 16: "sedecim", 17: "septendecim", 18: "octodecim", 19: "novemdecim",
    20: "viginti", 22: "vigintiduo", 24: "vigintiquatuor",
}  # fmt: skip
