"""Objectives of training: one module a kind, found by the name in the config."""
