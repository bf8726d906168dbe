"""A config with one value changed."""

import copy


def changed(config, path, value):
    """A copy of ``config`` in which the key at ``path`` (``a.b.c``) has ``value``."""
    config = copy.deepcopy(config)
    *parents, last = path.split(".")
    node = config
    for key in parents:
        node = node[key]
    node[last] = value
    return config
