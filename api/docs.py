"""`/docs`: the API on one page, in Chinese and English, rendered here: it needs no other site and runs no script."""

from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse

from api.problem import KINDS, ProblemBody

router = APIRouter(include_in_schema=False)

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
h2{margin-top:2.5rem;border-bottom:1px solid #ccc}h3{margin:1.6rem 0 .2rem}code{background:#f2f2f2;padding:.1em .3em}
table{border-collapse:collapse;margin:.4rem 0}td,th{border-bottom:1px solid #e5e5e5;padding:.2rem .7rem .2rem 0;
text-align:left;vertical-align:top}.m{font-weight:600;color:#06c}p{margin:.3rem 0;white-space:pre-line}
"""


def describe(app: FastAPI) -> None:
    """Let the OpenAPI schema of ``app`` know the one shape of every error."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            schema = get_openapi(
                title=app.title, version=app.version, description=app.description, tags=app.openapi_tags,
                routes=app.routes,
            )  # fmt: skip
            problem = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
            schema["components"]["schemas"] |= {**problem.pop("$defs"), "ProblemBody": problem}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The reference page."""
    return HTMLResponse(page(request.app.openapi()))


def page(schema: dict[str, Any]) -> str:
    """The reference page of an OpenAPI schema."""
    operations: dict[str, list[str]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            operations.setdefault(operation["tags"][0], []).append(_operation(method, path, operation, schema))
    parts = [
        f"<!doctype html><html lang=zh><meta charset=utf-8><title>{escape(schema['info']['title'])}</title>",
        f"<style>{STYLE}</style><h1>{escape(schema['info']['title'])}</h1><p>{escape(schema['info']['description'])}</p>",
        "<p>OpenAPI: <a href=openapi.json>openapi.json</a>; MQTT, Kafka: <a href=asyncapi>AsyncAPI</a></p>",
    ]
    for tag in schema["tags"]:
        found = "".join(operations.get(tag["name"], []))
        parts.append(f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>{found}")
    rows = "".join(f"<tr><td>{code}<td>{name}<td>{en}<td>{zh}" for code, (name, en, zh) in KINDS.items())
    parts.append(f"<h2>problems 错误</h2><p>application/problem+json (RFC 9457)</p><table>{rows}</table></html>")
    return "\n".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any], schema: dict[str, Any]) -> str:
    rows = [(p["name"], p["in"], _kind(p["schema"]), p.get("description", "")) for p in operation.get("parameters", [])]
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        body = _resolve(content["schema"], schema)
        rows += [
            (name, media, _kind(each), each.get("description", "")) for name, each in body.get("properties", {}).items()
        ] or [("", media, _kind(body), body.get("description", ""))]
    table = "".join("<tr>" + "".join(f"<td>{escape(cell)}" for cell in row) for row in rows)
    statuses = ", ".join(operation["responses"])
    return (
        f"<h3>{escape(operation['summary'])}</h3><p><code><span class=m>{method.upper()}</span> {escape(path)}</code> "
        f"→ {statuses}</p><p>{escape(operation.get('description', ''))}</p>"
        + (f"<table>{table}</table>" if table else "")
    )


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(_kind(each) for each in schema[several] if each.get("type") != "null"))
    if schema.get("type") == "array":
        return f"{_kind(schema.get('items', {}))} …"
    return str(schema.get("format") or schema.get("type") or schema.get("$ref", "any").rpartition("/")[2])


def _resolve(schema: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """The object behind a reference, or the first alternative that is one."""
    for alternative in schema.get("anyOf", ()):
        return _resolve(alternative, whole)
    name = schema.get("$ref", "").rpartition("/")[2]
    return whole["components"]["schemas"][name] if name else schema
