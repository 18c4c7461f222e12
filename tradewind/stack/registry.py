"""A schema registry that only reads: the Confluent REST calls that standard clients need in order to decode.

`python -m tradewind.stack.registry --host 127.0.0.1 --port N` serves the schemas that are committed in `schemas/`.
Whatever would write is refused with 405: a schema is added by committing it.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from aiohttp import web

log = logging.getLogger("tradewind.stack.registry")

_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
_SUBJECT_NOT_FOUND = 40401
_VERSION_NOT_FOUND = 40402
_SCHEMA_NOT_FOUND = 40403
_INVALID_SCHEMA = 42201
_INVALID_VERSION = 42202
_READ_ONLY = "this registry only reads; to add a schema, commit it: `tradewind schemas push` against a writable one"


class RegisteredSchema(Protocol):
    """A schema under its subject; `id` is unique among all subjects, `version` counts from 1 in its own."""

    @property
    def subject(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def id(self) -> int: ...
    @property
    def schema(self) -> str: ...


class SchemaSource(Protocol):
    """Where the schemas come from; `schemas.registry.CommittedRegistry` is one."""

    def subjects(self) -> list[str]:
        """All subjects."""
        ...

    def versions(self, subject: str, /) -> Sequence[RegisteredSchema]:
        """A subject's versions, the oldest first; empty for an unknown one."""
        ...


class _NotFound(Exception):
    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message


def make_app(source: SchemaSource, about: Mapping[str, Any] | None = None) -> web.Application:
    """The registry's application.

    Args:
        source: the schemas, read once per request.
        about: what `GET /` shows beside the subjects, such as the stack's endpoints.
    """
    handlers = _Handlers(source, dict(about or {}))
    app = web.Application(middlewares=[_errors])
    app.add_routes(
        [
            web.get("/", handlers.root),
            web.get("/config", handlers.config),
            web.get("/config/{subject}", handlers.config),
            web.get("/mode", handlers.mode),
            web.get("/mode/{subject}", handlers.mode),
            web.get("/schemas/types", handlers.types),
            web.get("/schemas/ids/{id}", handlers.schema_by_id),
            web.get("/schemas/ids/{id}/schema", handlers.schema_text),
            web.get("/schemas/ids/{id}/versions", handlers.versions_of_id),
            web.get("/subjects", handlers.subjects),
            web.post("/subjects/{subject}", handlers.lookup),
            web.get("/subjects/{subject}/versions", handlers.versions),
            web.get("/subjects/{subject}/versions/{version}", handlers.version),
            web.get("/subjects/{subject}/versions/{version}/schema", handlers.version_text),
        ]
    )
    return app


class _Handlers:
    def __init__(self, source: SchemaSource, about: dict[str, Any]) -> None:
        self._source = source
        self._about = about

    async def root(self, _: web.Request) -> web.Response:
        return _json({**self._about, "service": "schema registry, read only", "subjects": self._source.subjects()})

    async def config(self, _: web.Request) -> web.Response:
        return _json({"compatibilityLevel": "BACKWARD_TRANSITIVE"})

    async def mode(self, _: web.Request) -> web.Response:
        return _json({"mode": "READONLY"})

    async def types(self, _: web.Request) -> web.Response:
        return _json(["AVRO"])

    async def subjects(self, _: web.Request) -> web.Response:
        return _json(self._source.subjects())

    async def schema_by_id(self, request: web.Request) -> web.Response:
        return _json({"schema": self._with_id(request)[0].schema})

    async def schema_text(self, request: web.Request) -> web.Response:
        return _json(json.loads(self._with_id(request)[0].schema))

    async def versions_of_id(self, request: web.Request) -> web.Response:
        return _json([{"subject": entry.subject, "version": entry.version} for entry in self._with_id(request)])

    async def versions(self, request: web.Request) -> web.Response:
        return _json([entry.version for entry in self._of_subject(request)])

    async def version(self, request: web.Request) -> web.Response:
        return _json(_entry(self._of_version(request)))

    async def version_text(self, request: web.Request) -> web.Response:
        return _json(json.loads(self._of_version(request).schema))

    async def lookup(self, request: web.Request) -> web.Response:
        """Finds the version of a subject that has the posted schema."""
        entries = self._of_subject(request)
        try:
            wanted = json.loads(json.loads(await request.text())["schema"])
        except (ValueError, KeyError, TypeError):
            message = 'Invalid schema: the body must be {"schema": "..."} with an Avro schema as JSON text'
            return _json({"error_code": _INVALID_SCHEMA, "message": message}, 422)
        for entry in reversed(entries):
            if json.loads(entry.schema) == wanted:
                return _json(_entry(entry))
        raise _NotFound(_SCHEMA_NOT_FOUND, "Schema not found")

    def _with_id(self, request: web.Request) -> list[RegisteredSchema]:
        text = request.match_info["id"]
        entries = [
            e for subject in self._source.subjects() for e in self._source.versions(subject) if str(e.id) == text
        ]
        if not entries:
            raise _NotFound(_SCHEMA_NOT_FOUND, f"Schema {text} not found")
        return entries

    def _of_subject(self, request: web.Request) -> Sequence[RegisteredSchema]:
        subject = request.match_info["subject"]
        entries = self._source.versions(subject)
        if not entries:
            raise _NotFound(_SUBJECT_NOT_FOUND, f"Subject '{subject}' not found.")
        return entries

    def _of_version(self, request: web.Request) -> RegisteredSchema:
        entries = self._of_subject(request)
        text = request.match_info["version"]
        if text in ("latest", "-1"):
            return entries[-1]
        if not (text.isascii() and text.isdigit()):
            raise _NotFound(_INVALID_VERSION, f"The version is a number from 1, or latest, but not {text!r}")
        for entry in entries:
            if entry.version == int(text):
                return entry
        raise _NotFound(_VERSION_NOT_FOUND, f"Version {text} not found.")


def _entry(entry: RegisteredSchema) -> dict[str, Any]:
    return {"subject": entry.subject, "id": entry.id, "version": entry.version, "schema": entry.schema}


def _json(body: Any, status: int = 200) -> web.Response:
    return web.json_response(body, status=status, content_type=_CONTENT_TYPE)


@web.middleware
async def _errors(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
    except _NotFound as error:
        return _json({"error_code": error.code, "message": error.message}, error.code // 100)
    except web.HTTPException as error:
        writes = request.method not in ("GET", "HEAD")
        status = web.HTTPMethodNotAllowed.status_code if writes else error.status
        message = f"{request.method} {request.path}: {_READ_ONLY}" if writes else f"HTTP {status} {error.reason}"
        return _json({"error_code": status, "message": message}, status)
    return response


def main(argv: list[str] | None = None) -> int:
    """Serves the committed schemas until SIGTERM or SIGINT; returns the exit status."""
    from schemas.registry import CommittedRegistry

    parser = argparse.ArgumentParser("python -m tradewind.stack.registry", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, required=True, help="the port to listen on")
    parser.add_argument("--about", type=json.loads, default={}, help="a JSON object that GET / shows as well")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    app = make_app(CommittedRegistry(), options.about)
    log.info("the schema registry listens on %s:%d", options.host, options.port)
    try:
        web.run_app(app, host=options.host, port=options.port, print=None, access_log=None)
    except OSError as error:
        log.error("not started: can't listen on %s:%d: %s", options.host, options.port, error.strerror)
        return 1
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
