"""The end of the console: which message of which job."""

import logging
import signal
import time

import pytest

from nicheclip.runtime.last_words import SILENT, Interrupts, last_message, why_jobs_failed

SNAKEMAKE = """\
Error in rule encode:
    message: None
    jobid: 7
    output: results/features/manifest.json
    log: {0}/one.log (check log file(s) for error details)
Error in rule encode:
    message: None
    log: {0}/one.log (check log file(s) for error details)
Error in rule train_model:
    message: None
    log: {0}/two.log (check log file(s) for error details)
Exiting because a job execution failed.
"""


def test_each_failed_job_is_named_once_with_its_own_error(tmp_path):
    (tmp_path / "one.log").write_text(
        "reading\n\nerror: old\nnoise\n\nerror: a.png: damaged\n  x\n"
    )
    (tmp_path / "two.log").write_text("Traceback (most recent call last):\n  f()\nValueError: no\n")
    (tmp_path / "snakemake.log").write_text(SNAKEMAKE.format(tmp_path))
    assert why_jobs_failed([str(tmp_path / "snakemake.log")]) == (
        f"encode failed ({tmp_path}/one.log):\nerror: a.png: damaged\n  x\n\n"
        f"train_model failed ({tmp_path}/two.log):\nValueError: no (the traceback is in the log)"
    )


def test_a_job_without_a_word_is_said_to_be_silent(tmp_path):
    assert last_message(tmp_path / "none.log") == SILENT
    (tmp_path / "some.log").write_text("epoch 1\n")
    assert last_message(tmp_path / "some.log") == SILENT
    (tmp_path / "first.log").write_text("error: at once\n")
    assert last_message(tmp_path / "first.log") == "error: at once"


def test_only_errors_after_ctrl_c_are_hidden():
    record = logging.LogRecord("snakemake", logging.ERROR, "", 0, "Error in rule", None, None)
    note = logging.LogRecord("snakemake", logging.INFO, "", 0, "Finished", None, None)
    assert not Interrupts().hides(record)
    assert Interrupts(noted=True).hides(record) and not Interrupts(noted=True).hides(note)


def test_ctrl_c_while_a_message_is_written_is_handed_on_when_it_is():
    """A handler of the log may swallow what is raised within it, as Snakemake's does."""

    class Handler(logging.Handler):
        def emit(self, record):
            signal.raise_signal(signal.SIGINT)
            written.append(record)

    def stop(number, frame):
        raise KeyboardInterrupt

    written, interrupts = [], Interrupts()
    logger, handler = logging.getLogger("interrupted"), Handler()
    logger.addHandler(handler)
    old = signal.signal(signal.SIGINT, stop)
    try:
        interrupts.watch()
        logger.error("Acquiring")
        assert len(written) == 1 and interrupts.noted
        with pytest.raises(KeyboardInterrupt):
            time.sleep(30)
        with pytest.raises(KeyboardInterrupt):  # at any other time it is handed on at once
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, old)
        logger.removeHandler(handler)
