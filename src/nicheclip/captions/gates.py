"""The gates between a reply and a caption.

Each reason begins with a short fixed identifier; a detail may follow after a colon.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from nicheclip.captions.answers import DECLINED
from nicheclip.captions.cleaning import THINK_MARK, Cleaned, clean
from nicheclip.captions.language import other_language
from nicheclip.captions.mentions import ClassNames
from nicheclip.captions.tokens import count_tokens
from nicheclip.captions.visual import not_visual
from nicheclip.config.captions import GateConfig

ENDINGS = (".", "!", '"', "”", "’", "'", "»")

ONLY_THINKING = "only_thinking"
"""The reason of a reply that holds a model's thinking and no answer."""


class Pattern:
    """A regular expression that need not be tried on a text that it cannot match."""

    def __init__(self, expression: str, *, needs: str) -> None:
        """``needs``: found in some word of every text that matches, if it is printable ASCII; words
        are what stands between spaces, in lower case.
        """
        self.expression = re.compile(expression, re.IGNORECASE)
        self.needs = re.compile(needs)


_REFUSAL = Pattern(
    r"\bI(?:['’]m| am) (?:afraid|sorry|unable|not able|not comfortable)\b"
    r"|\bI (?:can['’]?t|cannot|can not|do not|don['’]t|could not|couldn['’]t|will not|won['’]t"
    r"|would need|must decline|have no)\b"
    r"|\b(?:as an?|I am an?|I['’]m an?|just an|only an) (?:AI|language model|assistant)\b"
    r"|\blanguage model\b|\bsorry\b|\bapolog(?:i[sz]e|ies)\b"
    r"|\bno image (?:was |is )?(?:provided|attached|given)\b"
    r"|\bplease (?:provide|share|upload|attach|send)\b"
    r"|\bno (?:definitive|single|one|clear) answer\b"
    r"|\bnot possible (?:for me )?to (?:describe|say|tell|determine|answer)\b"
    r"|\b(?:my|content|usage) (?:guidelines|polic(?:y|ies))\b",
    needs=r"\bi\b|\bai\b|assistant|language|sorry|apolog|provided|attached|given|please|answer"
    r"|possible|guidelines|polic",
)
_INSTRUCTION = Pattern(
    r"\b(?:discuss|explain|answer|paragraphs?)\b|\bword (?:limit|count)\b"
    r"|\b\d+ ?(?:[-–] ?\d+ ?)?words\b|\blet me know\b|[\[{<]\w+[\]}>]",
    needs=r"discuss|explain|answer|paragraph|word|\bknow\b|[\[{<]",
)
# what stands where a caption should: a server's error, a page, JSON, characters that were lost
_JUNK = Pattern(
    r"[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
    r"|\?|https?:|\bwww\.|\berror|\btraceback\b|<(?:!doctype|html|body)\b|^[{\[]\s*[\"{]|\ufffd"
    r"|\bbad gateway\b|\bgateway time-?out\b|\bservice (?:is )?unavailable\b|\btoo many requests\b"
    r"|\brate limit|\btimed out\b|\btry again (?:later|in)\b"
    r"|\b(?:server|model) is (?:busy|overloaded)",
    needs=r"[?<{\[]|http|www\.|error|traceback|gateway|unavailable|requests|\blimit|\btimed\b"
    r"|\bagain\b|\bbusy|\boverloaded",
)


PRESENT, ABSENT = "class_name_present", "class_name_absent"

NO_CLASSES = ClassNames({})

EMPTY_LIST_WORDS = re.compile(r"(?:\[\s*\]|\{\s*\}|none|null|n/?a|nil|nothing)\.?", re.IGNORECASE)

# what is left of a page, a table, a formula or a program once the usual marks are gone
_MARKUP = Pattern(
    r"</?[a-z][a-z0-9]*(?:\s[^<>]*)?/?>|&(?:[a-z]{2,8}|#\d+);|\|.*\||\\[a-z]+\{|\$[^$]+\$"
    r"|\]\(|==+|~~|\{\{|\}\}",
    needs=r"[<&|\\$\]]|==|~~|\{\{|\}\}",
)

OBJECTIONABLE: list[tuple[str, Pattern]] = [
    ("refusal", _REFUSAL),
    ("instruction", _INSTRUCTION),
    ("junk", _JUNK),
    ("markup", _MARKUP),
]


@dataclass(frozen=True)
class Subject:
    """What the gates know of the text that was asked for."""

    class_id: str
    prompt: str
    done_reason: str
    thought: int = 0
    """Characters of thinking that came beside the reply."""


class Judgement(NamedTuple):
    """A reply, judged."""

    text: str
    """After cleaning."""
    reasons: tuple[str, ...]
    """Why it is rejected."""
    notes: tuple[str, ...]
    """Seen, but no reason to reject."""

    @property
    def accepted(self) -> bool:
        """No gate objects."""
        return not self.reasons

    def rejected(self, reason: str) -> "Judgement":
        """The same with one more reason."""
        return self._replace(reasons=(*self.reasons, reason))


def judge(
    raw: str,
    subject: Subject,
    names: ClassNames,
    config: GateConfig,
    benchmark: ClassNames = NO_CLASSES,
) -> Judgement:
    """Clean the reply ``raw`` and hold it against every gate that needs no other reply.

    Args:
        raw: what the model wrote.
        subject: what it was asked for.
        names: of the data set's classes.
        config: the gates.
        benchmark: classes that no caption may name.
    """
    cleaned = clean(raw, subject.prompt)
    if not cleaned.text:
        reason = f"empty: done_reason {subject.done_reason or 'missing'}"
        if subject.thought or THINK_MARK.search(raw):
            reason = f"{ONLY_THINKING}: done_reason {subject.done_reason or 'missing'}"
        if subject.done_reason.startswith(DECLINED):
            reason = subject.done_reason
        return Judgement("", (reason,), cleaned.notes)
    others, notes = _mentions(cleaned.text, subject.class_id, names)
    reasons = [*_form(cleaned, subject.done_reason, config), *_content(cleaned, config)]
    reasons += _names(cleaned.text, notes[0] == PRESENT, benchmark, config)
    if config.visual != "off" and (why := not_visual(cleaned.text)):
        (reasons if config.visual == "reject" else notes).append(f"not_visual: {why}")
    if others and config.other_class == "reject":
        reasons.append(f"other_class: {', '.join(others)}")
    elif others:
        notes.append(f"other_class: {', '.join(others)}")
    return Judgement(cleaned.text, tuple(reasons), (*cleaned.notes, *notes))


def _form(cleaned: Cleaned, done_reason: str, config: GateConfig) -> list[str]:
    """Whole and of the right length?"""
    reasons = []
    if cleaned.echo:
        reasons.append("prompt_echo: the reply completes its prompt's sentence")
    if config.complete_sentence and done_reason != "stop":
        reasons.append(f"incomplete: done_reason {done_reason or 'missing'}")
    elif config.complete_sentence and not (cleaned.quoted or cleaned.text.endswith(ENDINGS)):
        reasons.append("incomplete: no full stop")
    words = len(cleaned.text.split())
    if words < config.min_words:
        reasons.append(f"too_short: {words} words")
    if words > config.max_words:
        reasons.append(f"too_long: {words} words")
    tokens = count_tokens(cleaned.text)
    if tokens > config.max_tokens:
        reasons.append(f"too_many_tokens: {tokens}")
    return reasons


def _content(cleaned: Cleaned, config: GateConfig) -> list[str]:
    """A description, or talk about the task?"""
    reasons = _objections(cleaned.text)
    for expression in config.forbidden:
        if match := _compiled(expression).search(cleaned.text):
            reasons.append(f"forbidden: {match[0]}")
    if cleaned.several:
        reasons.append("several: a list instead of one caption")
    if EMPTY_LIST_WORDS.fullmatch(cleaned.text):
        reasons.append(f"empty_list: {cleaned.text}")
    if config.language and (other := other_language(cleaned.text, config.language)):
        reasons.append(f"language: {other}")
    return reasons


def _objections(text: str) -> list[str]:
    """The reasons that ``OBJECTIONABLE`` gives."""
    if text.isascii() and text.isprintable() and not any(map(_is_suspect, text.lower().split())):
        return []
    return [
        f"{name}: {match[0]}"
        for name, pattern in OBJECTIONABLE
        if (match := pattern.expression.search(text))
    ]


@lru_cache(maxsize=1 << 16)
def _is_suspect(word: str) -> bool:
    """Whether a text with this word may match one of ``OBJECTIONABLE``."""
    return any(pattern.needs.search(word) for _, pattern in OBJECTIONABLE)


@lru_cache
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)


def _names(text: str, present: bool, benchmark: ClassNames, config: GateConfig) -> list[str]:
    """The class's own name as it is wanted, and no class of a benchmark?"""
    reasons = []
    if config.class_name == "require" and not present:
        reasons.append("class_name: it does not name its class")
    if config.class_name == "forbid" and present:
        reasons.append("class_name: it names its class")
    if found := benchmark.mentioned(text):
        reasons.append(f"benchmark_class: {', '.join(dict.fromkeys(name for name, _ in found))}")
    return reasons


def _mentions(text: str, class_id: str, names: ClassNames) -> tuple[list[str], list[str]]:
    """Other classes that ``text`` names, and a note on whether it names its own."""
    mentioned = names.mentioned(text)
    present = any(class_id in owners for _, owners in mentioned)
    others = dict.fromkeys(name for name, owners in mentioned if class_id not in owners)
    return list(others), [PRESENT if present else ABSENT]
