"""Fetches in a thread, while the images that have come are read in the order of their list."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from nicheclip.config.url_source import UrlFetching
from nicheclip.data.url_outcomes import Address, Ledger, Outcome
from nicheclip.runtime.errors import InputError


@contextmanager
def fetching(
    fetch: Callable[[], Coroutine[Any, Any, None]], ledger: Ledger
) -> Iterator[Callable[[Address], Outcome]]:
    """While entered, ``fetch`` fills ``ledger`` in a thread; left early, it is cancelled.

    What has come waits on the disk, in the ledger, so fetching never waits for the reader.

    Yields:
        A function that waits for the outcome of an address, and raises what ``fetch`` raised.
    """
    thread = _Thread(fetch, ledger)
    thread.start()
    try:
        yield thread.outcome
    finally:
        thread.cancel()
        thread.join()


async def fetch_nothing(
    addresses: Iterable[Address], source: UrlFetching, ledger: Ledger, *, parts: int, label: str
) -> None:
    """In the place of ``url_fetch.fetch`` where the config says `offline`.

    Raises:
        InputError: ``ledger`` lacks the outcome of some; names the first.
    """
    del parts
    missing = (one.shown for one in addresses if ledger.get(one) is None)
    first = list(itertools.islice(missing, 3))
    if first:
        count = len(first) + sum(1 for _ in missing)
        raise InputError(
            f"{source.path}: {label}: {count} images were never asked for, the first are "
            f"{', '.join(first)}, and the config says offline: true. Acquire them once where the "
            f"network reaches them, and copy {source.downloads}; or take them out of the list."
        )


class _Thread(threading.Thread):
    def __init__(self, fetch: Callable[[], Coroutine[Any, Any, None]], ledger: Ledger) -> None:
        super().__init__(name="fetch", daemon=True)
        self._fetch, self._ledger = fetch, ledger
        self._error: BaseException | None = None
        self._over = False
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None

    def run(self) -> None:
        """Fetch to the end."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._cancellable())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # the reader raises it
            self._error = error
        finally:
            with self._ledger.changed:
                self._over = True
                self._ledger.changed.notify_all()

    async def _cancellable(self) -> None:
        self._task = asyncio.current_task()
        await self._fetch()

    def cancel(self) -> None:
        """End it, if it still runs."""
        with self._ledger.changed:  # no loop is closed in between
            if not self._over and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def outcome(self, address: Address) -> Outcome:
        """The outcome of ``address``, as soon as it is there.

        Raises:
            InputError: there will be none; or what stopped the fetching.
        """
        with self._ledger.changed:
            while (found := self._ledger.get(address)) is None and not self._over:
                self._ledger.changed.wait()
        if found is not None:
            return found
        if self._error is not None:
            raise self._error
        raise InputError(
            f"{address.shown}: was not in the list when it was first read. Leave the list as it is "
            "while it is acquired, and run again."
        )
