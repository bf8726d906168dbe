"""A request, and a client of the test server that asks it."""

import ollama_server
from nicheclip.captions.asking import Asking
from nicheclip.captions.backend import Request
from nicheclip.captions.ollama import OllamaTransport
from nicheclip.config.llm_backends import OllamaBackend as OllamaConfig

PROMPT = "Describe a spore."
REQUEST = Request("spore", None, 3, PROMPT, None, 100)


def backend(url, *, vision=False, **config):
    values = {"kind": "ollama", "model": ollama_server.MODEL, "prompt": "p", "host": url}
    config = OllamaConfig.model_validate({**values, "timeout_seconds": 5, **config})
    return Asking(OllamaTransport(config, vision=vision), config, first_wait=0.01)
