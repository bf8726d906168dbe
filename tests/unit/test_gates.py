"""Gates: replies as language models write them, verdicts worked out by hand."""

import re
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_texts import GOOD, NAMES, reasons
from open_clip.tokenizer import SimpleTokenizer

from nicheclip.captions import cleaning, language, visual
from nicheclip.captions.cleaning import clean
from nicheclip.captions.gates import OBJECTIONABLE, Subject, judge
from nicheclip.captions.mentions import ClassNames
from nicheclip.captions.reasons import identifier
from nicheclip.captions.tokens import CONTEXT, count_tokens, truncated
from nicheclip.captions.words import words_of
from nicheclip.config.captions import GateConfig
from nicheclip.runtime.errors import InputError

TOKENIZER = SimpleTokenizer()


def test_a_good_caption_passes_unchanged():
    judgement = judge(GOOD, Subject("spore", "Describe it.", "stop"), NAMES, GateConfig())
    assert judgement.text == GOOD
    assert judgement.reasons == ()
    assert judgement.notes == ("class_name_present",)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Golden spores lie", ["incomplete", "too_short"]),
        ("Golden spores lie scattered over a plain", ["incomplete"]),
        ('Golden spores, "like little suns on white ground"', []),
        ("I can't see an image of spores here.", ["refusal"]),
        ("As an AI language model I have no eyes for spores.", ["refusal"]),
        ("I'm sorry, but spores are hard to describe here.", ["refusal"]),
        ("Discuss the role of spores in fungal life.", ["instruction"]),
        ("Explain how spores form in (2-3 paragraphs) here.", ["instruction"]),
        ("Write about golden spores in 50-100 words please.", ["instruction"]),
        ("Golden spores of the stage [class] on white ground.", ["instruction"]),
        ("What do golden spores look like on white ground?", ["incomplete", "junk"]),
        ("Golden spores, see https://example.org for more pictures.", ["junk"]),
        ("Error_Generacion of golden spores on white ground.", ["junk"]),
        ("Golden spores lie on \ufffd white ground.", ["junk"]),
        ("The model is overloaded, please try again later.", ["junk"]),
        ("502 Bad Gateway from the server named nginx.", ["junk"]),
        ("The request timed out after thirty long seconds.", ["junk"]),
        ("<html> <body> Log in to the network first.", ["instruction", "junk", "markup"]),
        ('{"message": "The spores are out of memory today."}', ["incomplete", "junk"]),
        ("Traceback of a golden spore, most recent call last.", ["junk"]),
        ("A terror of golden spores lies on white ground.", []),
        (f"1. {GOOD}\n2. {GOOD}", ["several"]),
        ("word " * 41 + "end.", ["too_long"]),
    ],
)
def test_verdicts(raw, expected):
    assert reasons(raw) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Golden <b>spores</b> lie scattered over white ground.", True),
        ("Golden spores &amp; discs lie scattered over white ground.", True),
        ("| spores | golden | scattered over white ground |.", True),
        (r"Golden \textit{spores} lie scattered over white ground.", True),
        ("Golden [spores](image) lie scattered over white ground.", True),
        ("Golden spores, 3 < 5 mm & round, lie on white ground.", False),
        ("Golden spores at $5 lie scattered over white ground.", False),
        ("Golden spores (round | oval) lie on white ground.", False),
    ],
)
def test_markup_that_is_left(text, found):
    assert ("markup" in reasons(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[]", True),
        ("None.", True),
        ("N/A", True),
        ("Nothing but golden spores lies on white ground.", False),
    ],
)
def test_empty_lists(text, found):
    assert ("empty_list" in reasons(text, min_words=1, complete_sentence=False)) == found


def test_characters_that_no_caption_has():
    assert reasons("Golden spores lie \x00 on the white ground.") == ["junk"]
    assert reasons("Golden spores lie \u202e on the white ground.") == ["junk"]


def test_the_class_name_is_there_or_not_as_asked():
    absent = "Five round discs lie on the ground."
    assert reasons(GOOD, class_name="require") == reasons(absent, class_name="forbid") == []
    assert reasons(absent, class_name="require") == ["class_name"]
    assert reasons(GOOD, class_name="forbid") == ["class_name"]


def test_no_caption_names_a_class_of_a_benchmark():
    benchmark = ClassNames({"a": ["fly agaric"], "b": ["rust"]})
    subject = Subject("spore", "", "stop")
    bad = judge("Spores of a Fly Agaric lie here.", subject, NAMES, GateConfig(), benchmark)
    assert bad.reasons == ("benchmark_class: fly agaric",)
    assert judge("Spores lie on rusty iron here.", subject, NAMES, GateConfig(), benchmark).accepted


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Impact assessment of Prickly Acacia on crop health.", False),
        ("A Jersey cow, renowned for its rich, creamy milk.", False),
        ("This species is native to Asia and popular in trade.", False),
        ("A Jersey cow, renowned for its milk, with a brown coat.", True),
        ("A leaf with yellow patches and curled edges.", True),
        ("A photo of a Jersey cow.", True),
    ],
)
def test_texts_that_no_picture_shows(text, seen):
    assert reasons(text) == []
    assert reasons(text, visual="reject") == ([] if seen else ["not_visual"])
    notes = judge(text, Subject("x", "", "stop"), NAMES, GateConfig(visual="note")).notes
    assert any(note.startswith("not_visual") for note in notes) != seen


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (GOOD, None),
        ("Boletus edulis, Laccaria amethystina, Mycena haematopus.", None),
        ("Ein roter Hut mit weißen Flecken steht im Gras.", "de"),
        ("Un chapeau rouge avec des taches blanches sur l'herbe.", "fr"),
        ("红色的菌盖上有白色斑点", "zh"),
        ("ein Pilz.", None),
    ],
)
def test_the_language(text, other):
    pytest.importorskip("py3langid", reason="the extra `gates` is not installed")
    wanted = ["language"] if other else []
    found = reasons(text, language="en", min_words=1, complete_sentence=False)
    assert [reason for reason in found if reason == "language"] == wanted


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("A round cap with the colour of honey that stands beside a stone.", False),
        (
            "Honey-coloured caps between stones, seen from above, white gills with brown edges.",
            True,
        ),  # 2/11
        ("De hoed is bruin en glad, the end.", True),  # one word is English alone
        ("A cap with the colour of honey, 棕色的.", True),
    ],
)
def test_a_text_of_common_english_words_needs_no_library(monkeypatch, text, asked):
    pytest.importorskip("py3langid", reason="the extra `gates` is not installed")
    library, asked_about = language._library(), []

    def classify(one):
        asked_about.append(one)
        return library.classify(one)

    told = SimpleNamespace(labels=library.labels, classify=classify)
    monkeypatch.setattr(language, "_library", lambda: told)
    found = language.other_language(text, "en")
    assert asked_about == [text] * asked
    if not asked:
        assert (found, library.classify(text)[0]) == (None, "en")


def test_a_language_that_is_not_known_is_named():
    pytest.importorskip("py3langid", reason="the extra `gates` is not installed")
    with pytest.raises(InputError, match=r"gates\.language: 'xx' is not known; expected one of"):
        reasons(GOOD, language="xx")


def test_done_reason_must_be_stop():
    assert reasons(GOOD, done_reason="length") == ["incomplete"]
    assert reasons(GOOD, done_reason="") == ["incomplete"]
    assert reasons("", done_reason="load") == ["empty"]
    assert reasons(GOOD, done_reason="length", complete_sentence=False) == []


def test_thinking_without_an_answer_is_told_from_an_empty_reply():
    thoughtful = Subject("spore", "", "length", thought=12)
    assert judge("", thoughtful, NAMES, GateConfig()).reasons == (
        "only_thinking: done_reason length",
    )
    assert judge(GOOD, thoughtful, NAMES, GateConfig(complete_sentence=False)).accepted
    assert reasons("<think>A spore is", done_reason="length") == ["only_thinking"]
    assert reasons("<think>A spore.</think>") == ["only_thinking"]


def test_word_limits_are_inclusive():
    assert reasons("One two three four five.", min_words=5, max_words=5) == []
    assert reasons("One two three four five.", min_words=6) == ["too_short"]
    assert reasons("One two three four five.", min_words=1, max_words=4) == ["too_long"]


def test_forbidden_expressions():
    assert reasons(GOOD, forbidden=["GOLD(en)?"]) == ["forbidden"]


def test_other_classes_are_noted_or_rejected():
    raw = "Golden spores lie between hyphae and growing hyphae on white ground."
    judgement = judge(raw, Subject("spore", "", "stop"), NAMES, GateConfig())
    assert judgement.accepted
    assert judgement.notes == ("class_name_present", "other_class: hyphae")
    assert reasons(raw, other_class="reject") == ["other_class"]
    judgement = judge(
        "Five round discs lie there.", Subject("spore", "", "stop"), NAMES, GateConfig()
    )
    assert judgement.notes == ("class_name_absent",)


def test_the_longest_name_counts():
    names = ClassNames({"oak": ["oak"], "oak leaf": ["oak leaf"], "one": ["1"], "x": ["oak"]})
    assert names.mentioned("1 Oak-leaves? An oak leaf by an OAK.") == [
        ("oak", frozenset({"oak", "x"})),
        ("oak leaf", frozenset({"oak leaf"})),
        ("oak", frozenset({"oak", "x"})),
    ]


def test_tokens_are_clips():
    # CLIP's vocabulary has "a", "photo", "of", "a", "diagram", "." as single tokens, plus two marks
    assert count_tokens("a photo of a diagram.") == 8
    assert reasons(GOOD, max_tokens=5) == ["too_many_tokens"]
    long = "cat " * 80
    assert count_tokens(long) == 82
    assert truncated(long).split() == ["cat"] * (CONTEXT - 2)
    assert truncated(GOOD) == GOOD


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_text_that_a_gate_matches_lacks_what_the_gate_needs(data):
    for _, pattern in OBJECTIONABLE:
        text = data.draw(st.from_regex(pattern.expression))
        if text.isascii() and text.isprintable():
            assert any(map(pattern.needs.search, text.lower().split()))


#: parts of texts that no caption should have, and of harmless ones that look like them
PARTS = """
I'm sorry, | I can not | as an AI | language model | no image provided | let me know | 7 words |
50-100 words | word limit | explain | paragraphs | [class] | <b> | </b> | &amp; | \\it{ | $x$ |
]( | == | ~~ | {{ | { "a" | ? | http://a | www.x | errors | traceback | bad gateway | \ufffd |
try again in | service is unavailable | gateway timeout | too many requests | rate limits |
server is busy | model is overloaded | timed out | \x07 | \u202e | \u017forry | \u212anow |
against | canopy | knows | attached gills | given | terror | renowned for milk | golden cap, |
disease-resistant | caf\u00e9 | A photo of a | red mushroom. | white-edged | - | 1. | * | # | >
| _em_ | ** | `x` | \u2022 | Sure! | Here is one: | Caption: | Describe a red | cow. | \u201c |
\u201d | " | ' | <think> | </think> | None.
""".replace("\n", " ").split("|")


texts_of_parts = st.lists(st.sampled_from(PARTS), max_size=9).flatmap(
    lambda parts: st.sampled_from([" ", "", "\n"]).map(lambda between: between.join(parts))
)


@settings(deadline=None, max_examples=300)
@given(texts_of_parts)
def test_what_saves_time_changes_no_verdict(text):
    """Words that are known, texts that cannot be wrapped, marked or named: as if all were tried."""
    found = judge(text, Subject("x", "Describe a red cow.", "stop"), NAMES, GateConfig())
    plain = [
        f"{name}: {match[0]}"
        for name, pattern in OBJECTIONABLE
        if (match := pattern.expression.search(found.text))
    ]
    names = {name for name, _ in OBJECTIONABLE}
    assert [one for one in found.reasons if identifier(one) in names] == plain
    unseen, seen = (one.search(found.text) for one in (visual.UNSEEN, visual.SEEN))
    assert visual.not_visual(found.text) == (unseen[0] if unseen and not seen else None)
    assert words_of(found.text) == tuple(re.findall(r"[^\W_]+", found.text.casefold()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cleaning, "_may_be_marked", lambda text: True)
        patch.setattr(cleaning, "_may_be_wrapped", lambda text, asked: True)
        assert clean(text, "Describe a red cow.").text == found.text


@settings(deadline=None, max_examples=200)
@given(
    st.text(st.characters(max_codepoint=300), max_size=60)
    | st.text("aB9's-,.! &<>;~_", max_size=40)
)
def test_tokens_are_counted_as_the_tokenizer_counts_them(text):
    assert count_tokens(text) == len(TOKENIZER.encode(text)) + 2
