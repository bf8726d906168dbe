"""What the jobs of a config will cost, before any of them runs."""
