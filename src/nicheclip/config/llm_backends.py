"""Config of the language models that are asked for captions."""

import re
import shlex
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from nicheclip.config.base import ConfigModel


class Backend(ConfigModel):
    """What all kinds of backends answer."""

    kind: str

    @property
    def remote(self) -> bool:
        """Whether a server is asked, in a job of its own before the gates."""
        return False

    @property
    def starts_server(self) -> bool:
        """Whether the job runs an LLM of its own, and so needs a GPU and its memory."""
        return False

    @property
    def program(self) -> str | None:
        """The program that the job starts, if it starts a server."""
        return None

    def source(self, prompts: Path) -> Path:
        """The file that the texts come from or are asked by.

        Args:
            prompts: the folder of the registry's prompts.
        """
        raise NotImplementedError

    @property
    def module(self) -> str:
        """The module of the library that is this backend."""
        return f"nicheclip.captions.{self.kind}"


class Limits(ConfigModel):
    """Where asking stops, over all parts together; the job then ends, and keeps what it has."""

    requests: Annotated[int, Field(ge=1)] | None = None
    tokens: Annotated[int, Field(ge=1)] | None = None
    """Of prompts and replies together, as the server counts them."""
    money: Annotated[float, Field(gt=0)] | None = None
    """In the currency of `prices`."""
    hours: Annotated[float, Field(gt=0)] | None = None


class Prices(ConfigModel):
    """Of a million tokens, in any currency."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]


class Expected(ConfigModel):
    """What the estimate of a dry run is made with; it changes no caption."""

    targets: Annotated[int, Field(ge=1)] | None = None
    """Classes or images to be described, where the data set has not been acquired yet."""
    seconds: Annotated[float, Field(gt=0)] | None = None
    """From a request to its reply, at the configured concurrency."""
    input_tokens: Annotated[int, Field(ge=1)] | None = None
    """Of a request, its image included. Default: a token for every four characters of the prompt,
    without an image."""
    output_tokens: Annotated[int, Field(ge=1)] | None = None
    """Of a reply. Default: the most that a reply may have."""


Value = str | int | list[str]


class LlmBackend(Backend):
    """What all language models behind a server have."""

    #: fields that change how replies are fetched, never what is asked
    EFFORT: ClassVar[tuple[str, ...]] = (
        "timeout_seconds",
        "attempts",
        "patience_seconds",
        "concurrency",
        "limits",
        "prices",
        "expected",
    )

    model: str
    prompt: str
    """Name of a file in `workflow/registry/prompts/`."""
    variables: dict[str, Value] = Field(default={})
    """Values of the prompt's variables that are the same for the whole data set."""
    class_variables: str | None = None
    """CSV file with the column class_id and one for each of the prompt's variables of a class."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 120.0
    """For one reply."""
    attempts: Annotated[int, Field(ge=1)] = 4
    """Tries for one caption before the job gives up (server trouble), with growing waits."""
    patience_seconds: Annotated[float, Field(ge=0)] = 900.0
    """How long one caption may wait for a server that is busy (429, 503) beside these tries."""
    other_seeds: Annotated[int, Field(ge=0)] = 1
    """Further seeds to try where a reply is empty, cut off or not of the asked form."""
    concurrency: Annotated[int, Field(ge=1)] = 4
    """Requests under way at once."""
    limits: Limits = Limits()
    prices: Prices | None = None
    expected: Expected = Expected()

    @property
    def remote(self) -> bool:
        """See ``Backend``."""
        return True

    @property
    def most_tokens(self) -> int:
        """Of a reply."""
        raise NotImplementedError

    def source(self, prompts: Path) -> Path:
        """The prompt."""
        return prompts / f"{self.prompt}.yaml"

    @model_validator(mode="after")
    def _money_has_a_price(self) -> "LlmBackend":
        if self.limits.money is not None and self.prices is None:
            raise ValueError("limits.money needs prices: {input: ..., output: ...}")
        return self


class OllamaOptions(ConfigModel):
    """Sampling options, always sent: the server's own defaults differ between versions."""

    temperature: Annotated[float, Field(ge=0)] = 0.9
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.9
    top_k: Annotated[int, Field(ge=1)] = 40
    num_predict: Annotated[int, Field(ge=1)] = 120
    """Most tokens of a reply; without it a model may run on for ever. The thoughts of a model that
    thinks count as well."""
    num_ctx: Annotated[int, Field(ge=128)] = 4096
    seed: int = 0
    """Base seed; each sample and each attempt adds to it."""


class OllamaBackend(LlmBackend):
    """A model behind an ollama server. `model` as in `ollama list`, for example `llama3.2:3b`;
    give the server `OLLAMA_NUM_PARALLEL` to match `concurrency`.
    """

    kind: Literal["ollama"]
    host: str | None = None
    """URL of a running server. Null starts one for the job on a free port (`ollama serve`)."""
    endpoint: Literal["generate", "chat"] = "generate"
    """How the model is asked: by /api/generate, or by /api/chat as one message of a user."""
    pull: bool = False
    """Fetch the model where the server does not have it; else that is an error. The folder of
    models (`OLLAMA_MODELS`) must then be writable."""
    options: OllamaOptions = OllamaOptions()

    EFFORT: ClassVar[tuple[str, ...]] = (*LlmBackend.EFFORT, "pull")

    @field_validator("host")
    @classmethod
    def _host_is_a_url(cls, host: str | None) -> str | None:
        if host is not None:
            check_url(host, "http://localhost:11434, or null")
        return host

    @property
    def starts_server(self) -> bool:
        """Where no server is named; see ``Backend``."""
        return self.host is None

    @property
    def program(self) -> str | None:
        """See ``Backend``."""
        return "ollama" if self.starts_server else None

    @property
    def most_tokens(self) -> int:
        """Of a reply."""
        return self.options.num_predict


class OpenaiOptions(ConfigModel):
    """Sampling options, always sent; null leaves one out, for models that refuse it."""

    temperature: Annotated[float, Field(ge=0)] | None = 0.9
    top_p: Annotated[float, Field(gt=0, le=1)] | None = 0.9
    max_tokens: Annotated[int, Field(ge=1)] = 120
    """Most tokens of a reply, thoughts included."""
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """How the server calls it; OpenAI's models that think take the second alone."""
    seed: int | None = 0
    """Base seed; each sample and each attempt adds to it."""
    extra: dict[str, Any] = Field(default={})
    """More keys of the request, as the server names them: `{top_k: 40}`."""


class OwnServer(ConfigModel):
    """A program that serves the model for the job, on a free port."""

    command: str
    """With `{model}` and `{port}`: `vllm serve {model} --port {port}`."""

    @field_validator("command")
    @classmethod
    def _command_is_one(cls, command: str) -> str:
        if not shlex.split(command) or "{port}" not in command:
            raise ValueError("expected a command with {port} in it")
        return command

    start_seconds: Annotated[float, Field(gt=0)] = 900.0
    """How long it may take until it lists its models."""


class OpenaiBackend(LlmBackend):
    """A model behind a server that speaks OpenAI's protocol: vLLM, llama.cpp, a hosted model."""

    kind: Literal["openai"]
    host: str | None = None
    """URL up to the version, for example http://localhost:8000/v1."""
    server: OwnServer | None = None
    """Starts a server for the job instead."""
    key_from: str | None = None
    """The environment variable that holds the API key; null for servers without one."""
    revision: str = ""
    """Of the model, where its name does not tell: replies of another revision are asked anew."""
    options: OpenaiOptions = OpenaiOptions()

    @field_validator("key_from")
    @classmethod
    def _key_is_no_key(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise ValueError(
                "expected the name of an environment variable in capitals, such as "
                "OPENAI_API_KEY, not the key itself"
            )
        return name

    @model_validator(mode="after")
    def _one_server(self) -> "OpenaiBackend":
        if (self.host is None) == (self.server is None):
            raise ValueError("expected either host (a running server) or server (to start one)")
        if self.host is not None:
            check_url(self.host, "http://localhost:8000/v1")
            if "://" not in self.host:
                raise ValueError("host: expected a URL that begins with http:// or https://")
        return self

    @property
    def starts_server(self) -> bool:
        """Where the job starts one; see ``Backend``."""
        return self.server is not None

    @property
    def program(self) -> str | None:
        """The first word of the server's command."""
        return shlex.split(self.server.command)[0] if self.server else None

    @property
    def most_tokens(self) -> int:
        """Of a reply."""
        return self.options.max_tokens


def check_url(host: str, example: str) -> None:
    """Raise ValueError where ``host`` is not the URL of a server, or a host with a port."""
    expected = f"expected the URL of a server, for example {example}"
    if re.search(r"[\s\x00-\x1f\x7f]", host):
        raise ValueError(f"{expected}; not with spaces or control characters")
    try:
        parts = urlsplit(host if "://" in host else f"http://{host}")
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as error:
        raise ValueError(f"{expected}: {error}") from None
    if not whole:
        raise ValueError(expected)
