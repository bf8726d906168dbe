"""Captions: backends, gates, cache, and their assignment to images."""
