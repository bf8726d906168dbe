"""A model behind an ollama server."""

import contextlib
import json
import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import httpx
import ollama

from nicheclip.captions.backend import BackendUnavailable, Identity, Reply, Request, storable
from nicheclip.captions.ollama_process import server_version, start_server
from nicheclip.captions.prompts import answer_schema
from nicheclip.captions.transport import Broken, Busy, Declined, Refused, brief, unavailable
from nicheclip.config.llm_backends import OllamaBackend as OllamaConfig
from nicheclip.runtime.errors import InputError

LOGGER = logging.getLogger(__name__)

BUSY = (429, 503)

CHAT = "chat"
"""Stands among the recorded options of replies by /api/chat; it is no option of the server."""

MOST_ANSWERED = 32 << 20
"""Bytes of one answer: a stream without a line end is held in memory until its end."""

#: what httpx and ollama raise where there is no answer
NO_ANSWER = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)
#: and where it has another shape than ollama's
OTHER_SHAPE = (ValueError, TypeError, AttributeError, KeyError, RecursionError)


class OllamaTransport:
    """Replies of ``config.model``; every sampling option is sent with every request."""

    advice = (
        "Start it with `ollama serve`, correct backend.host, or set it to null to start one for "
        "the job."
    )

    def __init__(self, config: OllamaConfig, *, vision: bool) -> None:
        """Name the model; entering the transport finds it.

        Args:
            config: server, model, options.
            vision: requests will carry images.
        """
        self._config = config
        self._vision = vision
        self._open = contextlib.ExitStack()
        self._think: bool | None = None

    @property
    def name(self) -> str:
        """With its URL."""
        return f"the ollama server at {self._url}"

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
                model = f"ollama:{self._config.model}"
                self._identity = Identity(model, self._digest(), storable(version))
                capabilities = self._client.show(self._config.model).capabilities or []
            except InputError:
                raise
            except (ollama.ResponseError, *NO_ANSWER, *OTHER_SHAPE) as error:
                raise BackendUnavailable(unavailable(self, self._said(error))) from error
            self._check(capabilities)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def options(self, seed: int) -> dict[str, Any]:
        """The configured options with a seed of their own."""
        options = self._config.options.model_dump()
        options["seed"] = (options["seed"] + seed) % 2**31
        return options if self._config.endpoint == "generate" else {**options, CHAT: True}

    def ask(self, request: Request, seed: int, seconds: float) -> Reply:
        """One reply; see ``Transport``."""
        try:
            return self._stream(request, self.options(seed), seconds)
        except ollama.ResponseError as error:
            said = self._said(error)
            if error.status_code in BUSY:
                raise Busy(said) from error
            if error.status_code in (401, 403, 404):
                raise Refused(said) from error
            if 400 <= error.status_code < 500:
                raise Declined(said) from error
            raise Broken(said) from error
        except (*NO_ANSWER, *OTHER_SHAPE) as error:
            raise Broken(self._said(error)) from error

    def _stream(self, request: Request, options: dict[str, Any], seconds: float) -> Reply:
        """Stream one reply: an error in mid-stream is then seen, and so is the time that it takes.

        The server answers 200 before a stream fails, and the client's time-out is one of silence.
        """
        deadline = time.monotonic() + seconds
        pieces: list[str] = []
        thought = 0
        with contextlib.closing(self._asked(request, options)) as stream:
            for part in stream:
                text, thoughts = _said_in(part)
                pieces.append(text)
                thought += len(thoughts)
                if part.done:
                    return Reply(
                        text=storable("".join(pieces)),
                        done_reason=storable(part.done_reason or ""),
                        model=self.identity.model,
                        digest=self.identity.digest,
                        server=self.identity.server,
                        options=json.dumps(options, sort_keys=True),
                        thought=thought,
                        tokens_in=part.prompt_eval_count or 0,
                        tokens_out=part.eval_count or 0,
                    )
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout(f"no end after {seconds:g} s")
        raise httpx.RemoteProtocolError("the reply broke off")

    def _asked(self, request: Request, options: dict[str, Any]) -> Any:
        """The stream of a reply, by the configured endpoint."""
        images = [request.image] if request.image else None
        settings: dict[str, Any] = {
            "model": self._config.model,
            "format": answer_schema(request.variants) if request.variants > 1 else None,
            "options": {name: value for name, value in options.items() if name != CHAT},
            "think": self._think,
            "stream": True,
        }
        if CHAT not in options:
            return self._client.generate(prompt=request.prompt, images=images, **settings)
        message = {"role": "user", "content": request.prompt, "images": images}
        return self._client.chat(messages=[message], **settings)

    def _bound(self, answer: httpx.Response) -> None:
        """Before the body of an answer is read: bounds of its time and size.

        Raises:
            httpx.DecodingError: it is compressed, so that few bytes may stand for many.
        """
        if answer.request.url.path.endswith("/api/pull"):  # gigabytes, of which it only reports
            return
        encoding = answer.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise httpx.DecodingError(f"compressed ({encoding}), which was not asked for")
        assert isinstance(answer.stream, httpx.SyncByteStream)
        answer.stream = _BoundedStream(answer.stream, self._config.timeout_seconds)

    def _digest(self) -> str:
        """The model's sha256, which only the list of models gives; see `backend.pull`."""
        wanted = self._config.model
        known = {str(model.model): model.digest for model in self._client.list().models}
        if self._config.pull and not _found(wanted, known):
            LOGGER.info("captions: the ollama server fetches the model %s", wanted)
            for _ in self._client.pull(wanted, stream=True):
                pass
            known = {str(model.model): model.digest for model in self._client.list().models}
        if digest := _found(wanted, known):
            return storable(digest)
        names = brief(", ".join(sorted(known)) or "none")
        raise BackendUnavailable(
            f"captions: the ollama server at {self._url} has no model {wanted!r} (it has: "
            f"{names}). Fetch it with `ollama pull {wanted}`, or set backend.pull: true."
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

    def _said(self, error: Exception) -> str:
        if isinstance(error, ollama.ResponseError):
            if error.status_code == 404:
                return f"says: {brief(error.error)}. `ollama pull {self._config.model}` fetches it"
            return f"answers {error.status_code}: {brief(error.error)}"
        if isinstance(error, httpx.TimeoutException):
            return f"did not finish within {self._config.timeout_seconds:g} s ({error})"
        if isinstance(error, NO_ANSWER):
            return f"cannot be used ({type(error).__name__}: {brief(error)})"
        return f"answers, but not as ollama does ({brief(error)})"


def _found(model: str, digests: Mapping[str, str | None]) -> str | None:
    """The digest of ``model``, whose tag may be left out where it is the latest."""
    return digests.get(model) or digests.get(f"{model}:latest")


def _said_in(part: Any) -> tuple[str, str]:
    """Text and thoughts in a piece of a reply."""
    if isinstance(part, ollama.ChatResponse):
        return part.message.content or "", part.message.thinking or ""
    return part.response or "", part.thinking or ""


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


def open_transport(config: OllamaConfig, *, vision: bool) -> OllamaTransport:
    """The server of a caption set; ``vision``: requests will carry images."""
    return OllamaTransport(config, vision=vision)
