"""How a host wants to be asked: how often, by how many at once, and for what."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.robotparser import RobotFileParser

log = logging.getLogger(__name__)

#: a host that asks for a longer pause is left alone for this run
LONGEST_PAUSE_SECONDS = 120.0
#: so many failures in a row to reach a host, and the rest of its images waits for another run
FAILURES_IN_A_ROW = 20
#: a robots.txt is read so far (RFC 9309 asks for 500 KiB at least)
ROBOTS_BYTES = 512 << 10
#: what X-Robots-Tag says of images that are not to be used
FORBIDDING = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})


@dataclass
class Host:
    """A host and how it has answered so far."""

    name: str
    """Scheme, name and port."""
    pause: float
    """Seconds between two requests."""
    free: asyncio.Semaphore
    robots: RobotFileParser | None = None
    """None: all may be asked for."""
    asked_robots: asyncio.Lock = field(default_factory=asyncio.Lock)
    has_robots: bool = False
    failures: int = 0
    given_up: str = ""
    """Why it is left alone for the rest of the run; empty: it is not."""
    _next: float = 0.0

    async def turn(self) -> None:
        """Wait until a request may be sent."""
        now = time.monotonic()
        self._next = max(self._next, now) + self.pause
        await asyncio.sleep(self._next - self.pause - now)

    def wait(self, seconds: float) -> None:
        """Ask nothing for so long; give up where that is too long."""
        if seconds > LONGEST_PAUSE_SECONDS:
            self.give_up(f"asks for a pause of {seconds:.0f} seconds")
        self._next = max(self._next, time.monotonic() + min(seconds, LONGEST_PAUSE_SECONDS))

    def reached(self) -> None:
        """It has answered."""
        self.failures = 0

    def missed(self) -> None:
        """It could not be reached."""
        self.failures += 1
        if self.failures >= FAILURES_IN_A_ROW:
            self.give_up(f"could not be reached {self.failures} times in a row")

    def give_up(self, reason: str) -> None:
        """Leave it alone for the rest of the run."""
        if not self.given_up:
            log.warning("%s %s: its other images wait for another run.", self.name, reason)
        self.given_up = self.given_up or reason


def read_robots(text: str, agent: str) -> tuple[RobotFileParser, float]:
    """What a robots.txt says, and the seconds between requests that it asks for."""
    rules = RobotFileParser()
    rules.parse(text.splitlines())
    delay = rules.crawl_delay(agent)
    return rules, float(delay) if delay is not None else 0.0


def forbids(tags: list[str], agent: str) -> str:
    """The word of ``X-Robots-Tag`` headers that forbids an image to ``agent``, if any.

    A header may begin with the name of the agent that it is for.
    """
    for tag in tags:
        name, colon, rest = tag.partition(":")
        if colon and name.strip().lower() != agent.lower():
            continue
        words = {word.strip().lower() for word in (rest if colon else tag).split(",")}
        if found := sorted(words & FORBIDDING):
            return found[0]
    return ""


def retry_after(value: str) -> float | None:
    """The seconds that a ``Retry-After`` header asks for: a number, or a date."""
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
