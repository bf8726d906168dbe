"""Captions from a model behind an ollama server."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import httpx
import ollama

from nicheclip.captions.backend import (
    BackendSetting,
    BackendUnavailable,
    Identity,
    OpenedBackend,
    Reply,
    Request,
    storable,
)
from nicheclip.captions.ollama_process import server_version, start_server
from nicheclip.captions.prompts import Prompt, load
from nicheclip.config.captions import OllamaBackend as OllamaConfig
from nicheclip.runtime.errors import InputError

LONGEST_WAIT = 30.0
SEED_STRIDE = 1_000_003
"""Between the seeds of two attempts: more than the samples that anybody asks for."""

BUSY = 429

MOST_SAID = 200
"""Characters of what a server says that are repeated in an error."""

MOST_ANSWERED = 32 << 20
"""Bytes of one answer: a stream without a line end is held in memory until its end."""

#: what httpx and ollama raise where there is no answer
NO_ANSWER = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)
#: and where it has another shape than ollama's
OTHER_SHAPE = (ValueError, TypeError, AttributeError, KeyError, RecursionError)


class OllamaBackend:
    """Replies of ``config.model``; every sampling option is sent with every request."""

    costly = True

    def __init__(self, config: OllamaConfig, *, vision: bool, first_wait: float = 1.0) -> None:
        """Name the model; entering the backend finds it.

        Args:
            config: server, model, options, retries.
            vision: requests will carry images.
            first_wait: seconds before the second attempt; each further wait is twice as long.
        """
        self._config = config
        self._vision = vision
        self._first_wait = first_wait
        self._cancelled = threading.Event()
        self._open = contextlib.ExitStack()
        self._think: bool | None = None

    @property
    def concurrency(self) -> int:
        """As configured."""
        return self._config.concurrency

    @property
    def identity(self) -> Identity:
        """The model's digest (tags move) and the server's version."""
        return self._identity

    def __enter__(self) -> Self:
        """Find the server (or start one) and the model.

        Raises:
            BackendUnavailable: no server, or it does not have the model.
            InputError: images are to be described, but the model has no vision.
        """
        with contextlib.ExitStack() as opening:
            own = self._config.host is None
            self._url = (
                opening.enter_context(start_server(parallel=self._config.concurrency))
                if own
                else _url(self._config.host or "")
            )
            timeout = self._config.timeout_seconds
            try:
                # A proxy from the environment must not stand between the job and its own server.
                self._client = ollama.Client(
                    self._url,
                    timeout=timeout,
                    trust_env=not own,
                    auth=_user(self._url),
                    headers={"Accept-Encoding": "identity"},
                    event_hooks={"response": [self._bound]},
                )
                opening.callback(self._client.close)
                version = server_version(self._url, timeout=timeout, trust_env=not own)
                self._identity = Identity(self._config.model, self._digest(), storable(version))
                capabilities = self._client.show(self._config.model).capabilities or []
            except InputError:
                raise
            except (ollama.ResponseError, *NO_ANSWER, *OTHER_SHAPE) as error:
                raise self._unavailable(error) from error
            self._check(capabilities)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cancelled.set()
        self._open.close()

    def cancel(self) -> None:
        """No further attempts; requests under way end by themselves."""
        self._cancelled.set()

    def available(self, class_id: str, image_id: str | None, asked: int) -> int:
        """As many as asked for."""
        return asked

    def options(self, request: Request) -> str:
        """The options of the first attempt."""
        return json.dumps(self._options(request, attempt=0), sort_keys=True)

    def generate(self, request: Request) -> Reply:
        """One reply, after as many as ``config.attempts`` tries with growing waits between them.

        Raises:
            BackendUnavailable: no try succeeded, or the server has no such model.
            InputError: the server refuses the request.
        """
        if not request.prompt.strip():  # the server would only load the model and say "load"
            raise InputError(f"captions: the prompt for {request.class_id!r} is empty.")
        for attempt in range(self._config.attempts):
            try:
                return self._ask(request, attempt)
            except ollama.ResponseError as error:
                if 400 <= error.status_code < 500 and error.status_code != BUSY:
                    raise self._unavailable(error) from error
                failure: Exception = error
            except (*NO_ANSWER, *OTHER_SHAPE) as error:
                failure = error
            last = attempt + 1 == self._config.attempts
            if last or self._cancelled.wait(min(self._first_wait * 2**attempt, LONGEST_WAIT)):
                break
        raise self._unavailable(failure, tries=attempt + 1) from failure

    def _ask(self, request: Request, attempt: int) -> Reply:
        """Stream one reply: an error in mid-stream is then seen, since the server answers 200
        before a stream fails."""
        options = self._options(request, attempt)
        pieces: list[str] = []
        thought = 0
        stream = self._client.generate(
            model=self._config.model,
            prompt=request.prompt,
            images=[request.image] if request.image else None,
            options=options,
            think=self._think,
            stream=True,
        )
        with contextlib.closing(stream):  # type: ignore[type-var]
            for part in stream:
                pieces.append(part.response or "")
                thought += len(part.thinking or "")
                if part.done:
                    return Reply(
                        text=storable("".join(pieces)),
                        done_reason=storable(part.done_reason or ""),
                        model=self.identity.model,
                        digest=self.identity.digest,
                        server=self.identity.server,
                        options=json.dumps(options, sort_keys=True),
                        thought=thought,
                    )
        raise httpx.RemoteProtocolError("the reply broke off")

    def _bound(self, answer: httpx.Response) -> None:
        """Before the body of an answer is read: bounds of its time and size.

        Raises:
            httpx.DecodingError: it is compressed, so that few bytes may stand for many.
        """
        encoding = answer.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise httpx.DecodingError(f"compressed ({encoding}), which was not asked for")
        assert isinstance(answer.stream, httpx.SyncByteStream)
        answer.stream = _BoundedStream(answer.stream, self._config.timeout_seconds)

    def _options(self, request: Request, attempt: int) -> dict[str, Any]:
        options = self._config.options.model_dump()
        seed = options["seed"] + request.seed + request.sample + SEED_STRIDE * attempt
        return {**options, "seed": seed % 2**31}

    def _digest(self) -> str:
        """The model's sha256, which only the list of models gives."""
        wanted = self._config.model
        models = self._client.list().models
        for model in models:
            if model.model in (wanted, f"{wanted}:latest") and model.digest:
                return storable(model.digest)
        known = _brief(", ".join(sorted(str(model.model) for model in models)) or "none")
        raise BackendUnavailable(
            f"captions: the ollama server at {self._url} has no model {wanted!r} (it has: "
            f"{known}). Fetch it with `ollama pull {wanted}`."
        )

    def _check(self, capabilities: list[str]) -> None:
        if self._vision and "vision" not in capabilities:
            raise InputError(
                f"captions: the model {self._config.model!r} cannot see images (capabilities: "
                f"{', '.join(capabilities) or 'none'}), and the server would not say so. Choose a "
                "vision model, or `per: class`."
            )
        if "thinking" in capabilities:
            self._think = False

    def _unavailable(self, error: Exception, tries: int = 1) -> BackendUnavailable:
        if isinstance(error, ollama.ResponseError):
            if error.status_code == 404:
                return BackendUnavailable(
                    f"captions: the ollama server at {self._url} says: {_brief(error.error)}. "
                    f"Fetch the model with `ollama pull {self._config.model}`."
                )
            what = f"answers {error.status_code}: {_brief(error.error)}"
        elif isinstance(error, httpx.TimeoutException):
            what = f"did not finish within {self._config.timeout_seconds:g} s ({error})"
        elif isinstance(error, NO_ANSWER):
            what = f"cannot be used ({type(error).__name__}: {_brief(error)})"
        else:
            what = f"answers, but not as ollama does ({_brief(error)})"
        return BackendUnavailable(
            f"captions: the ollama server at {self._url} {what}; {tries} "
            f"{'tries' if tries > 1 else 'try'}. Start it with `ollama serve`, correct "
            "backend.host, or set it to null to start one for the job; captions that are finished "
            "are kept."
        )


class _BoundedStream(httpx.SyncByteStream):
    """A body that ends in time, whatever comes; the client's own time-out is one of silence."""

    def __init__(self, stream: httpx.SyncByteStream, seconds: float) -> None:
        self._stream = stream
        self._seconds = seconds

    def __iter__(self) -> Iterator[bytes]:
        deadline = time.monotonic() + self._seconds
        answered = 0
        for piece in self._stream:
            if answered and time.monotonic() > deadline:
                raise httpx.ReadTimeout(f"no end after {self._seconds:g} s")
            answered += len(piece)
            if answered > MOST_ANSWERED:
                raise httpx.ReadError(f"an answer of more than {MOST_ANSWERED >> 20} MiB")
            yield piece

    def close(self) -> None:
        self._stream.close()


def _user(url: str) -> httpx.BasicAuth | None:
    """User and password of ``url``, which ollama's client would drop."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    return httpx.BasicAuth(unquote(parts.username), unquote(parts.password or ""))


def _url(host: str) -> str:
    """``host`` as ollama itself reads it: a host alone has ollama's port."""
    if "://" in host:
        return host.rstrip("/")
    parts = urlsplit(f"http://{host}")
    if parts.port is None:
        parts = parts._replace(netloc=f"{parts.netloc}:11434")
    return parts.geturl().rstrip("/")


def _brief(said: object) -> str:
    """What a server or a library says, in a line that a log can hold."""
    text = storable(" ".join(str(said).split()))
    return text if len(text) <= MOST_SAID else f"{text[:MOST_SAID]}..."


def open_backend(config: OllamaConfig, setting: BackendSetting) -> OpenedBackend:
    """The backend with its prompt; raises InputError where there is no such prompt."""
    prompt = load(setting.prompts, config.prompt, Prompt)
    return OpenedBackend(OllamaBackend(config, vision=setting.per == "image"), prompt)
