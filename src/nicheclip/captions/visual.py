"""Texts that say nothing that a picture could show."""

import re
from functools import lru_cache

#: what no picture shows: use and price, history and fame, taste and smell, studies of it
UNSEEN = re.compile(
    r"\b(?:renowned|famous|popular|prized|valued|beloved|economic\w*|market\w*|price[sd]?|trade[ds]?"
    r"|impact|assessment|analysis|study|studies|research\w*|importance|significan\w+|histor\w+"
    r"|origin\w*|native|introduced|imported|bred|breeding|domesticated|centur\w+|ancient|tradition\w*"
    r"|flavou?r\w*|tast[ey]\w*|delicious|aroma\w*|smell\w*|fragran\w+|nutriti\w+|medicin\w+|edible"
    r"|yield\w*|productiv\w+|milk|treatment|prevent\w*|manage\w*|control\w*|disease-resistant"
    r"|behaviou?r\w*|diet|feeds?|lifespan|metaboli\w+|genetic\w*|reproduc\w+)\b",
    re.IGNORECASE,
)
#: what one does
SEEN = re.compile(
    r"\b(?:red|orange|yellow|green|blue|purple|violet|pink|brown|black|white|gr[ea]y|golden|silver\w*"
    r"|cream|tan|beige|pale|dark|bright|dull|colou?r\w*|tinged|shad\w+|striped?|stripes|spot\w*"
    r"|patch\w*|band\w*|pattern\w*|mottled|speckled|marking\w*|round\w*|oval|elongated|slender|thin"
    r"|thick|long|short|small|large|tiny|broad|narrow|flat|curved|straight|pointed|forked|branch\w*"
    r"|smooth|rough|hairy|shiny|glossy|fuzzy|scal\w+|wrinkled|texture\w*|shape\w*|edge\w*|surface\w*"
    r"|background|leaf|leaves|petals?|stems?|wings?|fins?|beaks?|bills?|feathers?|fur|horns?|ears?"
    r"|eyes?|legs?|tails?|heads?|bod(?:y|ies)|caps?|gills?|discs?|dots?|threads?|lines?|clusters?"
    r"|standing|sitting|lying|growing|scattered|dense\w*)\b",
    re.IGNORECASE,
)


def not_visual(text: str) -> str | None:
    """What of ``text`` cannot be seen, where it says nothing that can; None otherwise.

    A text without words of either kind ("a photo of a cow.") passes.
    """
    said = list(map(_said, text.split()))
    if any(seen for _, seen in said):
        return None
    return next((unseen for unseen, _ in said if unseen), None)


@lru_cache(maxsize=1 << 16)
def _said(word: str) -> tuple[str | None, bool]:
    """What of a word (between spaces, which neither pattern has) cannot be seen, and whether
    something can.
    """
    unseen = UNSEEN.search(word)
    return unseen[0] if unseen else None, SEEN.search(word) is not None
