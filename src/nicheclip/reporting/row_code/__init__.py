"""What no key of a table's file says: a module for each name that `code` may have.

Each has ``entries(request, row)``: the contents of the columns that show ``code``, by key, or None
where the row has none and is left out.
"""
