"""Evaluation: features in, predictions and metrics out."""
