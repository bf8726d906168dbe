"""The driver's side of SLURM: commands that wait, jobs of a dead driver, why jobs ended."""
