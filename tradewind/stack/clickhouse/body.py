"""A request's body: its bytes as they arrive, unpacked, or a form's fields and files."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from aiohttp import BodyPartReader, hdrs, web

from tradewind.stack.clickhouse.encoding import Decompressor
from tradewind.stack.clickhouse.errors import BAD_ARGUMENTS, ClickHouseError
from tradewind.stack.clickhouse.request import Form

# What the codings' libraries raise for bytes that are not theirs.
_BAD_ENCODING = (zlib.error, RuntimeError, OSError, ValueError)


def is_form(request: web.Request) -> bool:
    """Whether the body is a form. Only multipart: ClickHouse takes what curl calls x-www-form-urlencoded as it is."""
    return request.content_type == "multipart/form-data"


async def read_body(request: web.Request) -> AsyncIterator[bytes]:
    """The body's bytes, unpacked, piece by piece; none where the request has no body or a form.

    Raises:
        ClickHouseError: the coding is unknown, or the bytes are not in it.
    """
    if not request.can_read_body or is_form(request):
        return
    coding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower()
    if coding == "identity":
        async for chunk in request.content.iter_any():
            yield chunk
        return
    unpacker = Decompressor(coding)
    try:
        async for chunk in request.content.iter_any():
            yield unpacker.decompress(chunk)
    except _BAD_ENCODING as error:
        raise ClickHouseError.of(BAD_ARGUMENTS, f"The body is not valid {coding}: {error}") from None
    if not unpacker.complete:
        raise ClickHouseError.of(BAD_ARGUMENTS, f"The {coding} body ends in the middle of a frame")


async def gather(body: AsyncIterator[bytes], head: bytes, size: int) -> bytes:
    """`head` and as much more of the body as makes `size` bytes, or all of it."""
    parts, length = [head], len(head)
    while length < size:
        try:
            chunk = await body.__anext__()
        except StopAsyncIteration:
            break
        parts.append(chunk)
        length += len(chunk)
    return b"".join(parts)


async def read_form(request: web.Request) -> Form:
    """A multipart body: the parts with a file name are tables, the others are fields.

    Raises:
        ClickHouseError: a part has no name, or a field is not UTF-8.
    """
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    parts = await request.multipart()
    while (part := await parts.next()) is not None:
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise ClickHouseError.of(BAD_ARGUMENTS, "A part of the multipart body has no name")
        data = bytes(await part.read(decode=True))
        if part.filename is not None:
            files[part.name] = data
            continue
        try:
            fields[part.name] = data.decode()
        except UnicodeDecodeError as error:
            message = f"The form's field {part.name} is not UTF-8: {error.reason}"
            raise ClickHouseError.of(BAD_ARGUMENTS, message) from None
    return Form(fields, files)
