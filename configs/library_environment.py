"""What libraries read from the environment, for all that an entry point starts. Whose settings these are, it does not know."""

from collections.abc import MutableMapping

LIBRARIES = {"VLLM_NO_USAGE_STATS": "1", "VLLM_WORKER_MULTIPROC_METHOD": "spawn", "GOMP_SPINCOUNT": "1000"}
"""To report nothing, not to fork our threads, and threads of torch not to spin for milliseconds for one another: where other
work has the cores that costs a question 1 s."""


def complete(environment: MutableMapping[str, str]) -> None:
    """Add what is not set; it is read when the libraries are imported, here and in processes that are started."""
    for name, value in LIBRARIES.items():
        environment.setdefault(name, value)
