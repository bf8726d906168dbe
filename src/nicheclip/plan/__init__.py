"""The plan: which files the config asks for and each job reads. No torch, no Snakemake."""
