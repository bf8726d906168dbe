"""Tables and figures from metrics and predictions."""
