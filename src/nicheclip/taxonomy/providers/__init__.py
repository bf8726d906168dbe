"""Checklists, each read into the table of names that the resolver searches."""
