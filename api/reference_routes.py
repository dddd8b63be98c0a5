"""The reference of the HTTP API: the OpenAPI document, and a page that shows it and lets people try it.

The page is Swagger UI from the package `fastapi-swagger`; nothing of it is loaded from elsewhere, and its addresses are
relative, so that it works behind any prefix. Knows no protocol: it describes the routes that are there.
"""

from functools import cache
from importlib import resources
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse, JSONResponse, Response

ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "favicon-32x32.png": "image/png"}
ABOUT = (
    "Every protocol of this server, on its one port. Where the server has keys, send one as `Authorization: Bearer KEY`. "
    "Errors have the shape of the protocol that was called; 429, 450 and 503 carry `Retry-After`."
)
LOOKS = {"defaultModelsExpandDepth": -1, "docExpansion": "list", "displayRequestDuration": True}
VERSION = "0.1.0"
FIRST = ("native", "openai", "files", "vector stores", "vector store files")
"""The groups that people look for; the others follow as they come."""


def routes(app: FastAPI) -> APIRouter:
    """Return the routes of the reference of `app`."""
    router = APIRouter(include_in_schema=False)

    @cache
    def described() -> dict[str, Any]:
        return document(app)

    @router.get("/openapi.json")
    async def openapi() -> JSONResponse:
        return JSONResponse(described())

    @router.get("/docs")
    async def page() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=f"{app.title}: API",
            swagger_js_url="docs/static/swagger-ui-bundle.js",
            swagger_css_url="docs/static/swagger-ui.css",
            swagger_favicon_url="docs/static/favicon-32x32.png",
            swagger_ui_parameters=LOOKS,
        )

    @router.get("/docs/static/{name}")
    async def asset(name: str) -> Response:
        if name not in ASSETS:
            return Response(status_code=404)
        return Response(_asset(name), media_type=ASSETS[name], headers={"Cache-Control": "max-age=86400"})

    return router


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of the routes of `app` (OpenAPI 3.1)."""
    made = get_openapi(title=app.title, version=VERSION, description=ABOUT, routes=app.routes)
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for path in made["paths"].values():
        for operation in path.values():
            # `json_body.described` cannot put the parts of a body where references look for them.
            schemas.update(operation.pop("x-schemas", {}))
            # The name of the function is no title; the first line of its docstring is.
            operation["summary"], _, rest = operation.pop("description", operation["summary"]).partition("\n")
            operation |= {"description": rest.strip()} if rest.strip() else {}
            operation["responses"].pop("422", None)  # wrong parameters are answered like any other wrong input
            operation["responses"]["default"] = {"description": "An error, in the shape of this protocol."}
    groups = dict.fromkeys((*FIRST, *(tag for path in made["paths"].values() for one in path.values() for tag in one["tags"])))
    made["tags"] = [{"name": group} for group in groups]
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"key": []}, {}]
    # Relative to the document itself: the page works under whatever prefix it was found.
    made["servers"] = [{"url": "./"}]
    return made


@cache
def _asset(name: str) -> bytes:
    return resources.files("fastapi_swagger.resources").joinpath(name).read_bytes()
