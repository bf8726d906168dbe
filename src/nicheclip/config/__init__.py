"""Typed configuration: pydantic models, one module per room; the only definition of the config."""
