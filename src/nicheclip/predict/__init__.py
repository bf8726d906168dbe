"""Use a model: say what images show, from files or from Python."""
