"""NicheCLIP: from a specialist image domain to a domain-adapted CLIP and its tables."""

__version__ = "0.2.0"
