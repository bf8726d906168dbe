"""Locks: plain files alone, and waiting is said."""

import logging
import os
import threading

import pytest

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.locks import lock, locked


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_only_a_plain_file_is_locked(tmp_path, kind):
    if kind == "link":
        (tmp_path / "x.lock").symlink_to(tmp_path / "elsewhere")
    else:
        os.mkfifo(tmp_path / "x.lock")
    with pytest.raises(InputError, match=r"x\.lock: a link or a device, expected a plain file"):
        lock(tmp_path / "x.lock", wait=True)
    assert not (tmp_path / "elsewhere").exists()


def test_waiting_for_a_lock_is_said(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    held = lock(tmp_path / "x.lock", wait=False)
    threading.Timer(0.3, os.close, [held]).start()
    with locked(tmp_path / "x.lock"):
        assert "x.lock: another process holds this lock; waiting for it." in caplog.text
