"""Why a text is rejected, as the files of captions have it."""


def identifier(reason: str) -> str:
    """The fixed part of a reason: "too_long" of "too_long: 52 words"."""
    return reason.partition(":")[0]
