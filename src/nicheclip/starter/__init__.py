"""A config to start with, written after a look at somebody's images."""
