"""The engine: runs any objective, on any number of processes, resumable to the same result."""
