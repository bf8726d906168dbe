"""One file for each protocol, called by its name: ``judge(task) -> Judged``."""
