"""Terms that all rooms share: splits, taxonomic ranks, text types."""

from typing import Literal

SPLITS = ("train", "val", "test")

#: stands for the class of an image whose class nobody has written down
UNLABELLED = "(no label)"

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")

TextType = Literal[
    "caption", "sci", "com", "taxon", "sci_com", "taxon_com", "taxontag", "taxontag_com"
]

ClassTextType = Literal["sci", "com", "taxon", "sci_com", "taxon_com", "taxontag", "taxontag_com"]

#: the text types that all images of a class share
CLASS_TEXT_TYPES = ("sci", "com", "taxon", "sci_com", "taxon_com", "taxontag", "taxontag_com")
