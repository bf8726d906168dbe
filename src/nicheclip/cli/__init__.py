"""The command ``nicheclip``: a thin, typed layer over the library."""
