"""The engine that asks a server: tries again, waits, stops at limits, keeps accounts."""

import json
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from types import TracebackType
from typing import Self

from nicheclip.captions.answers import DECLINED, usable
from nicheclip.captions.backend import BackendUnavailable, Reply, Request
from nicheclip.captions.cache import ReplyCache, cache_key
from nicheclip.captions.transport import Busy, Declined, Refused, Transport, Trouble, unavailable
from nicheclip.config.llm_backends import LlmBackend
from nicheclip.runtime.errors import InputError

LONGEST_WAIT = 60.0
"""Seconds between two tries, where the server does not ask for more."""

SEED_STRIDE = 1_000_003
"""Between the seeds of two attempts: more than the samples that anybody asks for."""

WAITING = 4
"""Requests that wait in memory for each one under way."""

SEEDS_KEPT = 1 << 14
"""Whose options are kept as text: those of the samples of a class, which the next class has too."""

MILLION = 1_000_000

COUNTED = (
    "requested",
    "from_cache",
    "tries",
    "busy",
    "failed",
    "other_seed",
    "declined",
    "tokens_in",
    "tokens_out",
)
"""What is counted while asking."""


class Asking:
    """Asks ``transport``, from several threads.

    A busy server is asked again with the same seed for as long as patience lasts, a failed try with
    another one for as many as ``config.attempts``. A reply without a text of the asked form is
    replaced by that of another seed, ``config.other_seeds`` times.
    """

    def __init__(
        self,
        transport: Transport,
        config: LlmBackend,
        *,
        share: float = 1.0,
        first_wait: float = 1.0,
    ) -> None:
        """Entering the engine enters ``transport``.

        Args:
            transport: the server.
            config: tries, limits, prices.
            share: of the limits that is this job's.
            first_wait: seconds before the second try; each further wait is up to twice as long.
        """
        self._transport = transport
        self._config = config
        self._share = share
        self._first_wait = first_wait
        self._cancelled = threading.Event()
        self._guard = threading.Lock()
        self._not_before = 0.0
        self._answered = False
        self.counts: Counter[str] = Counter()
        """Of each of ``COUNTED``."""

    def __enter__(self) -> Self:
        self._transport.__enter__()
        self._start = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()
        self._transport.__exit__(kind, error, traceback)

    def cancel(self) -> None:
        """No further tries; requests under way end by themselves."""
        self._cancelled.set()

    @property
    def money(self) -> float:
        """What the tokens so far cost; 0 without prices."""
        prices = self._config.prices
        if prices is None:
            return 0.0
        spent = self.counts["tokens_in"] * prices.input + self.counts["tokens_out"] * prices.output
        return spent / MILLION

    def answer(self, request: Request) -> Reply:
        """One reply to ``request``.

        Raises:
            BackendUnavailable: no try succeeded, or a limit is reached.
            InputError: the prompt is empty.
        """
        if not request.prompt.strip():  # a server would answer with anything, or nothing
            raise InputError(f"captions: the prompt for {request.class_id!r} is empty.")
        failed, seeds, held = 0, 0, 0
        waited_since: float | None = None
        while True:
            attempt = failed + seeds
            try:
                reply = self._try(request, attempt)
            except Declined as error:
                return self._declined(request, error)
            except Refused as error:
                raise BackendUnavailable(unavailable(self._transport, error)) from error
            except Busy as error:
                self._count("busy")
                waited_since = waited_since or time.monotonic()
                held += 1
                wait = error.wait or self._wait(request, held)
                if time.monotonic() + wait - waited_since > self._config.patience_seconds:
                    raise self._given_up(error, "and was still busy after", waited_since) from error
                self._hold_off(wait)
            except Trouble as error:
                self._count("failed")
                failed += 1
                if failed >= self._config.attempts or self._cancelled.wait(
                    self._wait(request, failed)
                ):
                    raise BackendUnavailable(unavailable(self._transport, error, failed)) from error
            else:
                self._answered = True
                if usable(reply, request.variants) or seeds >= self._config.other_seeds:
                    return reply
                self._count("other_seed")
                seeds += 1

    def answers(
        self, requests: Iterable[Request], cache: ReplyCache, version: int
    ) -> Generator[tuple[Request, Reply]]:
        """Each request with its reply, in order; what was answered before comes from ``cache``.

        Several are under way at once, few wait in memory, and all end on an error.

        Args:
            requests: their images are dropped once they are answered.
            cache: gets what the server says, as soon as it is said.
            version: of the prompt file.
        """

        def ask(key: str, request: Request) -> Reply:
            reply = self.answer(request)
            if not reply.done_reason.startswith(DECLINED):
                cache.put(key, reply)
            return reply

        @lru_cache(maxsize=SEEDS_KEPT)
        def options(seed: int) -> str:
            return json.dumps(self._transport.options(seed), sort_keys=True)

        identity = self._transport.identity
        pending: deque[tuple[Request, Reply | Future[Reply]]] = deque()
        executor = ThreadPoolExecutor(self._config.concurrency)
        under_way = 0
        try:
            for request in requests:
                first = options(self._seed(request, 0))
                key = cache_key(identity, request, version=version, options=first)
                known = cache.get(key)
                self._count("from_cache" if known else "requested")
                answer = known or executor.submit(ask, key, request)
                under_way += known is None
                imageless = replace(request, image=None) if request.image else request
                pending.append((imageless, answer))
                while pending and (
                    isinstance(pending[0][1], Reply)
                    or under_way >= WAITING * self._config.concurrency
                ):
                    asked, reply = pending.popleft()
                    if isinstance(reply, Future):
                        reply, under_way = reply.result(), under_way - 1
                    yield asked, reply
            while pending:
                asked, reply = pending.popleft()
                yield asked, reply if isinstance(reply, Reply) else reply.result()
        except BaseException:
            self.cancel()
            raise
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    def _try(self, request: Request, attempt: int) -> Reply:
        while (wait := self._not_before - time.monotonic()) > 0:
            if self._cancelled.wait(wait):
                raise BackendUnavailable("captions: asking was ended.")
        self._check_limits()
        self._count("tries")
        seed = self._seed(request, attempt)
        reply = self._transport.ask(request, seed, self._config.timeout_seconds)
        self._count("tokens_in", reply.tokens_in)
        self._count("tokens_out", reply.tokens_out)
        return reply

    @staticmethod
    def _seed(request: Request, attempt: int) -> int:
        return request.seed + request.sample + SEED_STRIDE * attempt

    def _declined(self, request: Request, error: Declined) -> Reply:
        """A reply without a text: one image that the server does not take ends no job.

        A server that has answered nothing yet declines them all.
        """
        if not self._answered:
            raise BackendUnavailable(unavailable(self._transport, error)) from error
        self._count("declined")
        identity = self._transport.identity
        options = json.dumps(self._transport.options(self._seed(request, 0)), sort_keys=True)
        reason = f"{DECLINED}: {error}"
        return Reply("", reason, identity.model, identity.digest, identity.server, options)

    def _check_limits(self) -> None:
        limits, counts = self._config.limits, self.counts
        used = {
            "requests": counts["tries"],
            "tokens": counts["tokens_in"] + counts["tokens_out"],
            "money": self.money,
            "hours": (time.monotonic() - self._start) / 3600,
        }
        for name, value in used.items():
            limit = getattr(limits, name)
            if limit is not None and value >= limit * self._share:
                self.cancel()
                raise BackendUnavailable(
                    f"captions: this job's limit of {limit * self._share:g} {name} is reached "
                    f"({value:g}). Finished captions are kept: raise backend.limits.{name} and run "
                    "the same command again."
                )

    def _wait(self, request: Request, tries: int) -> float:
        """Seconds: twice as long after each try, and never the same for two requests."""
        longest = min(self._first_wait * 2.0 ** max(tries - 1, 0), LONGEST_WAIT)
        jitter = random.Random(f"{request.class_id} {request.image_id} {request.sample} {tries}")
        return float(longest * jitter.uniform(0.5, 1.0))

    def _hold_off(self, seconds: float) -> None:
        """Nobody asks for this long."""
        with self._guard:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _given_up(self, error: Trouble, what: str, since: float) -> BackendUnavailable:
        seconds = time.monotonic() - since
        return BackendUnavailable(
            unavailable(self._transport, f"{error} ({what} {seconds:.0f} s)")
            + " Raise backend.patience_seconds, or lower backend.concurrency."
        )

    def _count(self, name: str, number: int = 1) -> None:
        with self._guard:
            self.counts[name] += number
