"""Health for gateways and people: `/healthz` (the process answers) and `/readyz` (it can do its work)."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from api.errors import RETRY_AFTER
from assistant.assistant import Assistant


def routes(assistant: Assistant) -> APIRouter:
    """Return the health routes."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """200 as long as the process answers."""
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        """200 when everything configured is loaded, else 503 with the reason."""
        state, library, stopping = assistant.engine.state, assistant.library, assistant.runs.stopping
        model = {"name": state.name, "state": state.phase, "detail": state.detail, "part": state.part}
        ready = state.phase in ("ready", "none") and library.ready and not stopping
        reasons = [] if state.phase in ("ready", "none") else [f"model: {state.detail}"]
        reasons += [] if library.ready else [f"knowledge: {library.state}"]
        reasons += ["the server is being stopped"] if stopping else []
        body = {"status": "ready" if ready else "not ready", "reason": "; ".join(reasons), "model": model}
        return JSONResponse(body, 200) if ready else JSONResponse(body, 503, {"Retry-After": str(RETRY_AFTER)})

    return router
