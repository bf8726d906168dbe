"""Training on labelled images and texts: objectives, batches, losses."""
