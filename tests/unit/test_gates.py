"""Cleaning and gates: replies as language models write them, verdicts worked out by hand."""

import random
import re
import time
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer

from nicheclip.captions import cleaning, language, visual
from nicheclip.captions.cleaning import clean
from nicheclip.captions.gates import OBJECTIONABLE, Subject, judge
from nicheclip.captions.mentions import ClassNames
from nicheclip.captions.reasons import identifier
from nicheclip.captions.repeats import MANY, Repeats, normalised
from nicheclip.captions.tokens import CONTEXT, count_tokens, truncated
from nicheclip.captions.words import words_of
from nicheclip.config.captions import GateConfig
from nicheclip.runtime.errors import InputError

NAMES = ClassNames(
    {
        "spore": ["spore", "fungal spores"],
        "hyphae": ["hyphae", "fungal hyphae"],
        "mycelium": ["mycelium", "fungal mycelium"],
    }
)
TOKENIZER = SimpleTokenizer()
GOOD = "Golden spores lie scattered over a plain white ground."
# In the manner of the released FungalZSL captions: the prompt verbatim, then a continuation.
LONG_PROMPT = (
    "Describe the early stage of fungal growth, focusing on spore formation. Spores are small "
    "reproductive units that travel on the wind."
)


def reasons(raw, *, prompt="", done_reason="stop", class_id="spore", **gates):
    judgement = judge(raw, Subject(class_id, prompt, done_reason), NAMES, GateConfig(**gates))
    return [identifier(reason) for reason in judgement.reasons]


def test_a_good_caption_passes_unchanged():
    judgement = judge(GOOD, Subject("spore", "Describe it.", "stop"), NAMES, GateConfig())
    assert judgement.text == GOOD
    assert judgement.reasons == ()
    assert judgement.notes == ("class_name_present",)


@pytest.mark.parametrize(
    ("prompt", "raw", "expected"),
    [
        (LONG_PROMPT, f"{LONG_PROMPT} {GOOD}", GOOD),
        (LONG_PROMPT, f"{LONG_PROMPT.upper()}\n\n{GOOD}", GOOD),
        (LONG_PROMPT, f'"{LONG_PROMPT}" {GOOD}', GOOD),
        # its first sentence alone
        (LONG_PROMPT, f"{LONG_PROMPT.split('. ')[0]}. {GOOD}", GOOD),
        # cut short by a full stop
        (LONG_PROMPT, f"Describe the early stage of fungal growth: {GOOD}", GOOD),
        ("Early fungal spore", f"Early fungal spore. {GOOD}", GOOD),
        # begins a sentence of its own: no echo
        (
            "Early fungal spore",
            "Early fungal spore is thin.",
            "Early fungal spore is thin.",
        ),
        # three shared words are chance
        ("Describe the early days", "Describe the early light.", "Describe the early light."),
    ],
)
def test_prompt_echo_is_stripped(prompt, raw, expected):
    assert clean(raw, prompt).text == expected


def test_a_reply_that_is_all_echo_is_empty():
    assert reasons(LONG_PROMPT, prompt=LONG_PROMPT) == ["empty"]


def test_an_echo_that_runs_into_the_reply_is_rejected():
    raw = "Describe the early stage of fungal growth with its golden discs on white ground."
    assert reasons(raw, prompt=LONG_PROMPT) == ["prompt_echo"]


@pytest.mark.parametrize(
    "raw",
    [
        f'"{GOOD}"',
        f"“{GOOD}”",
        f"'{GOOD}'",
        f'"{GOOD[:-1]}".',
        f"**{GOOD}**",
        f"Here is a caption: {GOOD}",
        f'Here\'s a caption for the image:\n\n"{GOOD}"',
        f"Sure! Here is one sentence: {GOOD}",
        f"Sure, here's a description: *{GOOD}*",
        f"Certainly! {GOOD}",
        f"**Caption:** {GOOD}",
        f"### Description: {GOOD}",
        f"1. {GOOD}",
        f"- {GOOD}",
        f"<think>The user wants a caption. Is it a fungus?</think>\n{GOOD}",
        "  Golden   spores lie\n scattered over a plain\twhite ground.  ",
    ],
)
def test_wrapping_is_removed(raw):
    assert clean(raw, "").text == GOOD


@pytest.mark.parametrize(
    "text",
    [
        "The cow's head isn't turned to the farmer's camera.",
        "Sure-footed goats stand on a rock.",
        "A fish of the genus Salmo_trutta swims.",
        '"Jersey" and "Holstein"',
        "Here stands a cow in the snow.",
    ],
)
def test_plain_text_is_left_alone(text):
    assert clean(text, "Describe a cow.").text == text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (f"<think>One.</think>{GOOD}<think>Two.</think>", GOOD),
        (f"<THINK>One <think> two.</Think>\n{GOOD}", GOOD),
        # cut short in its thoughts
        ("<think>The user wants a caption of a spore. A good one", ""),
        (f"{GOOD} <think>Is that", GOOD),
        # the prompt's template has the first mark
        (f"The user wants a caption.\n</think>\n\n{GOOD}", GOOD),
    ],
)
def test_thoughts_are_no_caption(raw, expected):
    assert clean(raw, "").text == expected


DEEP = {
    "quotation marks": "'" * 45_000 + "A cow" + "'" * 45_000 + ".",
    "two kinds of quotation marks": "'\"" * 22_500 + "A cow" + "\"'" * 22_500,
    "quotation marks before dots": "'" * 45_000 + "." * 45_000 + "cow" + "'" * 45_000,
    "thoughts without end": "<think>" * 13_000,
    "ends of thoughts": "</think>" * 11_000,
    "lead-ins": "Here is: " * 10_000 + "A cow.",
    "quoted lead-ins": "'Here is: " * 9_000 + "A cow" + "'" * 9_000,
    "courtesy": "Sure, " * 15_000 + "a cow.",
    "commas": "sure" + "," * 90_000,
    "echoes": "“cat. " * 15_000,
    "digits": "caption " + "1" * 90_000,
    "underscores": "a" + "_" * 90_000 + "b",
    "stars": "* " * 45_000,
}


@pytest.mark.parametrize("raw", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("prompt", ["cat", "Describe a cow that stands here."])
def test_the_time_of_cleaning_grows_with_the_length_alone(raw, prompt):
    clean("warm", prompt)

    def seconds():
        start = time.process_time()
        clean(raw, prompt)
        return time.process_time() - start

    assert min(seconds() for _ in range(3)) < 0.2  # the square of 90,000 steps takes minutes


def test_the_time_of_judging_grows_with_the_length_alone():
    """A word without end, as of an encoded file: the tokenizer alone would take minutes."""
    letters = random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=90_000)
    count_tokens("warm")
    start = time.process_time()
    assert "too_many_tokens" in reasons("".join(letters))
    assert time.process_time() - start < 5


@given(st.text(max_size=60), st.text(max_size=30))
def test_cleaning_is_done_in_one_go(raw, prompt):
    once = clean(raw, prompt)
    if not once.echo:
        assert clean(once.text, prompt).text == once.text or once.several


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


REFUSALS = [
    "I can't help with that.",
    "I cannot provide a description of this.",
    "I’m unable to see the picture.",
    "I am not able to describe spores.",
    "I'm afraid this is beyond me.",
    "I won't describe spores.",
    "I must decline to answer.",
    "I don't have enough information.",
    "I couldn't find any spores.",
    "I would need to see the picture first.",
    "I have no information about spores.",
    "I'm just an AI and see nothing.",
    "As a language model, pictures are beyond me.",
    "Sorry, spores are not for me.",
    "My apologies, but there are no spores.",
    "No image was provided.",
    "Please provide the image that shows spores.",
    "There is no definitive answer to this question.",
    "It is not possible to describe spores from their name.",
    "This request goes against my guidelines.",
    "This violates the content policy of spores.",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_no_caption(text):
    assert "refusal" in reasons(text, min_words=1)


@pytest.mark.parametrize(
    "text",
    [
        "The petals provide a landing place that pleases bees.",
        "One clear disc lies on policed ground, with no single spore beside it.",
        "It is possible to describe it as round.",
    ],
)
def test_words_of_refusals_alone_refuse_nothing(text):
    assert reasons(text) == []


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


def test_repeats():
    repeats = Repeats(GateConfig())
    assert repeats.add(GOOD) is None
    assert repeats.add(f"  {GOOD.upper()[:-1]} ! ") == "duplicate"
    long = "cat " * 76
    assert repeats.add(long + "one") is None
    assert identifier(repeats.add(long + "two")) == "duplicate_truncated"
    assert Repeats(GateConfig(unique=False)).add(GOOD) is None


def test_near_duplicates_by_word_trigrams():
    repeats = Repeats(GateConfig(near_duplicate=0.5))
    assert repeats.add("a b c d e f") is None
    # trigrams of 'a b c d e f': 4; of 'a b c d e x': 4; shared 3, together 5: 0.6
    assert repeats.add("a b c d e x") == "near_duplicate: Jaccard 0.60"
    # shared 2 of 6: 0.33
    assert repeats.add("a b c d x y") is None


def words_from(letters):
    return st.lists(st.sampled_from(letters), min_size=1, max_size=9).map(" ".join)


@given(
    st.lists(words_from("ab") | words_from("abcdef"), max_size=12),
    st.sampled_from([0.2, 0.5, 0.6, 0.75, 0.8, 0.99]),
)
def test_near_duplicates_are_those_that_comparing_every_pair_finds(texts, threshold):
    repeats = Repeats(GateConfig(near_duplicate=threshold, unique=False))
    kept = []
    for text in texts:
        words = text.split()
        grams = {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))}
        nearest = max((len(grams & other) / len(grams | other) for other in kept), default=0.0)
        if nearest >= threshold:
            assert repeats.add(text) == f"near_duplicate: Jaccard {nearest:.2f}"
        else:
            assert repeats.add(text) is None
            kept.append(grams)


def test_among_many_texts_minhash_finds_what_comparing_all_finds():
    pytest.importorskip("datasketch", reason="the extra `gates` is not installed")
    draw = random.Random(0)
    words = [f"w{number}" for number in range(400)]
    texts = [" ".join(draw.choices(words, k=20)) for _ in range(200)]
    # every second text again, one of its last words changed: Jaccard 17/19 or 15/21
    texts += [" ".join([*text.split()[:-2], "x", text.split()[-1]]) for text in texts[::2]]
    config = GateConfig(near_duplicate=0.6)
    exact, many = Repeats(config), Repeats(config, expected=MANY)
    verdicts = [exact.add(text) for text in texts]
    assert sum(verdict is not None for verdict in verdicts) == 100
    assert [many.add(text) for text in texts] == verdicts


@given(st.lists(st.sampled_from(["Big cow", "big  cow.", "calf", "CALF!", "bull"]), max_size=12))
def test_unique_keeps_one_of_each(texts):
    repeats = Repeats(GateConfig())
    kept = [normalised(text) for text in texts if repeats.add(text) is None]
    assert kept == list(dict.fromkeys(normalised(text) for text in texts))
