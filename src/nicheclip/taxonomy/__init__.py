"""Lineages and the text types that are made of them."""
