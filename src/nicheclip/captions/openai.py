"""A model behind a server that speaks OpenAI's protocol."""

import base64
import contextlib
import json
import os
import shlex
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any, Self

from nicheclip.captions.backend import BackendUnavailable, Identity, Reply, Request, storable
from nicheclip.captions.prompts import answer_schema
from nicheclip.captions.server_process import free_port, serving
from nicheclip.captions.transport import (
    Broken,
    Busy,
    Declined,
    Refused,
    Trouble,
    brief,
    unavailable,
)
from nicheclip.config.llm_backends import OpenaiBackend as OpenaiConfig
from nicheclip.runtime.credentials import HIDDEN, masked
from nicheclip.runtime.errors import InputError

NO_KEY = "no-key"
"""Sent where none is configured, so that a key of the environment goes to no other server."""

BUSY = (429, 503)
REFUSED = (401, 402, 403, 404)
#: errors of an answer that has another shape than OpenAI's
OTHER_SHAPE = (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError)


class OpenaiTransport:
    """Replies of ``config.model``; what is sampled with is sent with every request."""

    def __init__(self, config: OpenaiConfig) -> None:
        """Name the model; entering the transport finds the server."""
        self._config = config
        self._url = config.host or ""
        self._key = NO_KEY
        self._open = contextlib.ExitStack()

    @property
    def name(self) -> str:
        """With its URL, without a password in it."""
        return f"the server at {masked(self._url)}"

    @property
    def advice(self) -> str:
        """What to look at."""
        key = self._config.key_from
        return (
            "See that it runs and serves this model, and that backend.host ends in its version, "
            f"/v1 as a rule{f', and that {key} holds a valid key' if key else ''}."
        )

    @property
    def identity(self) -> Identity:
        """The model by its name and the configured revision: the protocol has no digest."""
        model, revision = self._config.model, self._config.revision
        return Identity(f"openai:{model}", f"{model}@{revision}", "")

    def __enter__(self) -> Self:
        """Find the server (or start one) and the model.

        Raises:
            BackendUnavailable: no server, or it does not have the model, or it refuses the key.
            InputError: the client is not installed, or no key is in the environment.
        """
        self._library = _client_library()
        self._key = _key(self._config.key_from)
        with contextlib.ExitStack() as opening:
            own = self._config.server is not None
            if own:
                self._url = opening.enter_context(self._serving())
            http = self._library.DefaultHttpxClient(trust_env=not own)
            self._client = self._library.OpenAI(
                base_url=self._url,
                api_key=self._key,
                timeout=self._config.timeout_seconds,
                max_retries=0,  # the engine tries again
                http_client=http,
            )
            opening.callback(self._client.close)
            try:
                self._find_model()
            except Trouble as error:
                raise BackendUnavailable(unavailable(self, error)) from error
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def options(self, seed: int) -> dict[str, Any]:
        """The configured options with a seed of their own; what is null is left out."""
        options = self._config.options
        chosen: dict[str, Any] = {
            "temperature": options.temperature,
            "top_p": options.top_p,
            options.max_tokens_name: options.max_tokens,
            "seed": None if options.seed is None else (options.seed + seed) % 2**31,
            **options.extra,
        }
        return {name: value for name, value in chosen.items() if value is not None}

    def ask(self, request: Request, seed: int, seconds: float) -> Reply:
        """One reply; see ``Transport``."""
        with self._troubles():
            return self._stream(request, self.options(seed), seconds)

    def _stream(self, request: Request, options: dict[str, Any], seconds: float) -> Reply:
        """Stream one reply, so that half of one and the time that it takes are seen."""
        deadline = time.monotonic() + seconds
        body = {**options}
        if request.variants > 1:
            schema = {"name": "captions", "strict": True, "schema": answer_schema(request.variants)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        pieces: list[str] = []
        reason, fingerprint = "", ""
        thought = tokens_in = tokens_out = 0
        with self._client.chat.completions.create(
            model=self._config.model,
            messages=[{"role": "user", "content": _content(request)}],
            stream=True,
            stream_options={"include_usage": True},
            extra_body=body,
        ) as stream:
            for chunk in stream:
                fingerprint = chunk.system_fingerprint or fingerprint
                if chunk.usage:
                    tokens_in, tokens_out = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
                for choice in chunk.choices or []:
                    delta = choice.delta
                    pieces.append(delta.content or "")
                    thought += len(getattr(delta, "reasoning_content", None) or "")
                    reason = "refusal" if delta.refusal else choice.finish_reason or reason
                if time.monotonic() > deadline:
                    raise Broken(f"did not finish within {seconds:g} s")
        if not reason:
            raise Broken("broke off in the middle of a reply")
        return Reply(
            text=storable("".join(pieces)),
            done_reason=storable(reason),
            model=self.identity.model,
            digest=self.identity.digest,
            server=storable(str(fingerprint)),
            options=json.dumps(options, sort_keys=True),
            thought=thought,
            tokens_in=int(tokens_in or 0),
            tokens_out=int(tokens_out or 0),
        )

    def _find_model(self) -> None:
        try:
            with self._troubles():
                known = [str(model.id) for model in self._client.models.list().data]
        except Refused as error:
            if "answers 404" in str(error):  # a server need not list its models
                return
            raise
        if self._config.model not in known:
            names = brief(", ".join(sorted(known)) or "none")
            raise Refused(f"has no model {self._config.model!r} (it has: {names})")

    @contextlib.contextmanager
    def _troubles(self) -> Iterator[None]:
        """Turn what the client raises into ours; no message shows the key."""
        library = self._library
        try:
            yield
        except library.APIStatusError as error:
            raise self._of_status(error) from None
        except library.APITimeoutError:
            limit = self._config.timeout_seconds
            raise Broken(f"did not finish within {limit:g} s") from None
        except library.APIConnectionError as error:
            cause = error.__cause__ or error
            raise Broken(f"cannot be used ({self._said(cause)})") from None
        except library.OpenAIError as error:
            raise Broken(f"answers with an error: {self._said(error)}") from None
        except (OSError, *OTHER_SHAPE) as error:
            if isinstance(error, InputError):
                raise
            raise Broken(f"answers, but not as OpenAI does ({self._said(error)})") from None

    def _of_status(self, error: Any) -> Trouble:
        status = error.status_code
        body = error.body if isinstance(error.body, dict) else {}
        said = f"answers {status}: {self._said(body.get('message') or error.message)}"
        if status in REFUSED or getattr(error, "code", None) == "insufficient_quota":
            return Refused(said)
        if status in BUSY:
            return Busy(said, _retry_after(error.response.headers))
        return Declined(said) if status in (400, 413, 415, 422) else Broken(said)

    def _said(self, what: object) -> str:
        return brief(masked(str(what) or type(what).__name__).replace(self._key, HIDDEN))

    @contextlib.contextmanager
    def _serving(self) -> Iterator[str]:
        server = self._config.server
        assert server is not None
        port = free_port()
        url = f"http://127.0.0.1:{port}/v1"
        words = [
            word.replace("{model}", self._config.model).replace("{port}", str(port))
            for word in shlex.split(server.command)
        ]

        def is_up() -> bool:
            client = self._library.OpenAI(
                base_url=url,
                api_key=self._key,
                timeout=2.0,
                max_retries=0,
                http_client=self._library.DefaultHttpxClient(trust_env=False),
            )
            with contextlib.closing(client):
                try:
                    client.models.list()
                except self._library.APIStatusError as error:
                    return bool(error.status_code == 404)
                except (self._library.OpenAIError, OSError, *OTHER_SHAPE):
                    return False
            return True

        with serving(
            words,
            environment={},
            name=f"`{words[0]}` on {url}",
            is_up=is_up,
            start_seconds=server.start_seconds,
        ):
            yield url


def _content(request: Request) -> Any:
    if request.image is None:
        return request.prompt
    kind = "png" if request.image.startswith(b"\x89PNG") else "jpeg"
    data = base64.b64encode(request.image).decode()
    url = {"url": f"data:image/{kind};base64,{data}"}
    return [{"type": "text", "text": request.prompt}, {"type": "image_url", "image_url": url}]


def _retry_after(headers: Any) -> float | None:
    """Seconds that a server wants to be left alone: a number or a date."""
    value = headers.get("retry-after")
    if value is None:
        return None
    with contextlib.suppress(ValueError):
        seconds = float(value)
        return max(0.0, seconds) if seconds == seconds else None
    with contextlib.suppress(ValueError, TypeError):
        until = parsedate_to_datetime(value)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    return None


def _key(variable: str | None) -> str:
    if variable is None:
        return NO_KEY
    key = os.environ.get(variable, "").strip()
    if not key:
        raise InputError(
            f"captions: the environment variable {variable}, which backend.key_from names, is not "
            f"set. Set it before snakemake is called: export {variable}=..."
        )
    return key


def _client_library() -> ModuleType:
    try:
        import openai
    except ImportError:
        raise InputError(
            "captions: the backend `openai` needs OpenAI's client: pip install 'nicheclip[openai]'"
        ) from None
    client: ModuleType = openai
    return client


def open_transport(config: OpenaiConfig, *, vision: bool) -> OpenaiTransport:
    """The server of a caption set. The protocol does not tell whether a model sees images."""
    del vision
    return OpenaiTransport(config)
