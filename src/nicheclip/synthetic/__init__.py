"""Procedural image worlds."""
