"""Classifiers for images without labels, made from features alone; no files, no labels."""
