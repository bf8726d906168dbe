"""How the tables of a Darwin Core archive are written."""
