"""What is refused before any route or guard has seen it: in the shape of its protocol, with the headers of all responses."""

from collections.abc import Callable

from starlette.responses import Response

from api.errors import Fault
from api.guard import inner_path
from api.protocols import of
from api.security_headers import SECURITY_HEADERS


def refusals(prefix: str) -> Callable[[str, Fault], Response]:
    """Return what makes refusals from a path ("": none is known yet) and the reason; `prefix` as in `--root-path`."""

    def refuse(path: str, fault: Fault) -> Response:
        answer = of(inner_path(path, prefix)).refuse(fault)
        answer.headers.update(SECURITY_HEADERS)
        return answer

    return refuse
