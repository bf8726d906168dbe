"""The report as a browser reads it."""

import json
from html.parser import HTMLParser

import pytest

from nicheclip.reporting.report_page import with_safe_data, write_report
from nicheclip.runtime.errors import InputError

LABEL = "</script><script>alert(1)</script><!-- <script>"

SNAKEFILE = """
rule table:
    output: report("table.html", labels={"result": config["label"]})
    params: request={"rows": {config["label"]: "run"}}
    shell: "echo made > {output}"
"""


class Scripts(HTMLParser):
    """The text of each script block, by its id."""

    def __init__(self, page):
        super().__init__()
        self.blocks, self._id = {}, None
        self.count = 0
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "script":
            self.count += 1
            self._id = dict(attributes).get("id", self.count)
            self.blocks[self._id] = ""

    def handle_endtag(self, tag):
        self._id = None

    def handle_data(self, text):
        if self._id is not None:
            self.blocks[self._id] += text


@pytest.fixture
def workflow(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "config.json").write_text(json.dumps({"label": LABEL}))
    (tmp_path / "table.html").write_text("made")
    return tmp_path


def test_a_label_that_ends_a_script_stays_text(workflow):
    write_report("Snakefile", "config.json", ["table"], workflow / "report.html")
    page = Scripts((workflow / "report.html").read_text())
    shown = page.blocks["results"].strip().removeprefix("var results = ").removesuffix(";")
    result = json.loads(shown)["table.html"]
    assert result["labels"] == {"result": LABEL}
    assert LABEL in result["job_properties"]["params"]
    assert "alert(1)" not in "".join(text for key, text in page.blocks.items() if key != "results")


def test_a_report_that_fails_leaves_the_old_one(workflow):
    (workflow / "report.html").write_text("old")
    with pytest.raises(InputError, match="snakemake --report failed"):
        write_report("Snakefile", "config.json", ["absent"], workflow / "report.html")
    assert (workflow / "report.html").read_text() == "old"
    assert not list(workflow.glob(".report*"))


def test_scripts_stay_as_they_are():
    page = (
        '<script>\n    var a = {b: 1 < 2};\n    var c = 1 < 2;\n    var d = {"e": "<"};\n</script>'
    )
    assert with_safe_data(page) == page.replace('"<"', r'"\u003c"')
