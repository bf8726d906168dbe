"""Training: one loop, small recipes."""
