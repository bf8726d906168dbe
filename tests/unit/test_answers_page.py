"""The page of pictures of images without labels."""

import re

from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation.answers import Answer
from nicheclip.models.signals import Signals
from nicheclip.reporting.answers_page import answers_page
from small_training import write_squares

SIGNALS = Signals(
    confidence=0.5, balance=0.5, information=0.1, zero_shot_agreement=1.0, silhouette=0.0
)
NAMES = {"a": "red <ant>", "b": "green bee", "c": "cat", "d": "dog"}


def page(folder):
    """Of eight images: six of the bee, two of the ant."""
    images = ImageSet(write_squares(folder / "squares", train=8, val=1) / "train")
    answers = [
        Answer(
            image_id,
            f"pond_two/IMG_{number}.png",
            ("b", "a") if number % 3 or not number else ("a", "c"),
            (0.9 - number / 10, 0.1),
        )
        for number, image_id in enumerate(sorted(images.image_ids))
    ]
    return answers_page("pond: fair", answers, NAMES, images, SIGNALS, None)


def test_classes_are_listed_and_lead_to_their_pictures(tmp_path):
    text = page(tmp_path)
    listed = re.findall(r'<a href="#(class-\d)">([^<]*)</a> (\d)', text)
    assert listed == [("class-0", "green bee", "6"), ("class-1", "red &lt;ant&gt;", "2")]
    headings = re.findall(r'<h2 id="(class-\d)">([^<]*) <small>\((\d)\)</small></h2>', text)
    assert headings == listed, "no heading for a class without images"
    assert "2 of 4 classes have no image" in text and "cat, dog</p>" in text
    assert "More than half of the images have one class" in text


def test_the_least_sure_stand_first_and_are_marked_throughout(tmp_path):
    first, *classes = re.split(r'<h2 id="class-', page(tmp_path))
    assert re.findall(r"<b>([^<]*) (\d+)%</b>", first) == [
        ("green bee", "20"),
        ("red &lt;ant&gt;", "30"),
    ]
    assert [one.count("<img") for one in classes] == [6, 2]
    assert [one.count('class="unsure"') for one in classes] == [1, 1]
    assert "pond_<wbr>two/<wbr>IMG_<wbr>7.png" in first
