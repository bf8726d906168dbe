"""The one exception that the library raises for input a user can mend."""


class InputError(ValueError):
    """Bad input or configuration.

    The message names the file, row and field, what was expected, and what to do next; scripts
    print it without a traceback.
    """
