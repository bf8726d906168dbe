"""Rehearsals: the whole grid of a config on drawn images and small random models, in minutes."""
