"""Compression of bodies, both ways: HTTP content encodings (lz4, zstd, gzip, deflate) and ClickHouse's own frames.

ClickHouse's own frames (`compress=1`, `decompress=1`) are blocks of LZ4 with a CityHash128 checksum before each.
"""

import zlib
from collections.abc import Callable
from typing import Any, Protocol

import lz4.block
import lz4.frame
import zstandard
from clickhouse_cityhash.cityhash import CityHash128

from infra.clickhouse.errors import Refused

FRAME = 1 << 20
LARGEST_FRAME = 1 << 30


class Coder(Protocol):
    """Takes bytes as they come, gives bytes as they are ready; `end` gives the rest."""

    def add(self, data: bytes) -> bytes: ...
    def end(self) -> bytes: ...


class Plain:
    """No compression."""

    def add(self, data: bytes) -> bytes:
        return data

    def end(self) -> bytes:
        return b""


class Pack:
    """Compress with a compressor object of zlib or zstandard."""

    def __init__(self, compressor: Any) -> None:
        self._compressor = compressor

    def add(self, data: bytes) -> bytes:
        return self._compressor.compress(data)

    def end(self) -> bytes:
        return self._compressor.flush()


class PackLz4:
    """Compress into one LZ4 frame."""

    def __init__(self) -> None:
        self._compressor = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def add(self, data: bytes) -> bytes:
        head = b"" if self._begun else self._compressor.begin()
        self._begun = True
        return head + self._compressor.compress(data)

    def end(self) -> bytes:
        return self.add(b"") + self._compressor.flush()


class PackFrames:
    """Compress into ClickHouse's own frames."""

    def add(self, data: bytes) -> bytes:
        return b"".join(_frame(data[at : at + FRAME]) for at in range(0, len(data), FRAME))

    def end(self) -> bytes:
        return b""


class Unpack:
    """Decompress one or several frames of the same kind, one after another."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._decompressor: Any = None

    def add(self, data: bytes) -> bytes:
        out = []
        while data:
            if self._decompressor is None:
                self._decompressor = self._make()
            try:
                out.append(self._decompressor.decompress(data))
            except (zlib.error, zstandard.ZstdError, RuntimeError, EOFError) as error:
                raise Refused(354, "ZLIB_INFLATE_FAILED", f"Cannot decompress the body: {error}") from error
            data = b""
            if self._decompressor.eof:
                data = self._decompressor.unused_data or b""
                self._decompressor = None
        return b"".join(out)

    def end(self) -> bytes:
        if self._decompressor is not None:
            raise Refused(354, "ZLIB_INFLATE_FAILED", "The compressed body ends in the middle")
        return b""


class UnpackFrames:
    """Decompress ClickHouse's own frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def add(self, data: bytes) -> bytes:
        self._rest += data
        out = []
        while len(self._rest) >= 25:
            size = int.from_bytes(self._rest[17:21], "little")
            raw_size = int.from_bytes(self._rest[21:25], "little")
            if not 9 <= size <= LARGEST_FRAME or raw_size > LARGEST_FRAME:
                raise Refused(271, "CANNOT_DECOMPRESS", "A compressed frame has an impossible size")
            if len(self._rest) < 16 + size:
                break
            frame = bytes(self._rest[: 16 + size])
            del self._rest[: 16 + size]
            if _checksum(frame[16:]) != frame[:16]:
                raise Refused(40, "CHECKSUM_DOESNT_MATCH", "A compressed frame's checksum does not match")
            out.append(_unframe(frame[16], frame[25:], raw_size))
        return b"".join(out)

    def end(self) -> bytes:
        if self._rest:
            raise Refused(271, "CANNOT_DECOMPRESS", "The compressed body ends in the middle of a frame")
        return b""


def _checksum(data: bytes) -> bytes:
    first, second = divmod(CityHash128(data), 1 << 64)
    return first.to_bytes(8, "little") + second.to_bytes(8, "little")


def _frame(data: bytes) -> bytes:
    packed = lz4.block.compress(data, store_size=False)
    body = b"\x82" + (len(packed) + 9).to_bytes(4, "little") + len(data).to_bytes(4, "little") + packed
    return _checksum(body) + body


def _unframe(method: int, data: bytes, size: int) -> bytes:
    try:
        if method == 0x82:
            return lz4.block.decompress(data, uncompressed_size=size)
        if method == 0x90:
            return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    except (lz4.block.LZ4BlockError, zstandard.ZstdError) as error:
        raise Refused(271, "CANNOT_DECOMPRESS", f"Cannot decompress a frame: {error}") from error
    if method == 0x02:
        return data
    raise Refused(89, "UNKNOWN_COMPRESSION_METHOD", f"Unknown compression method {method:#x} of a frame")


PACK: dict[str, Callable[[], Coder]] = {
    "lz4": PackLz4,
    "zstd": lambda: Pack(zstandard.ZstdCompressor(level=1).compressobj()),
    "gzip": lambda: Pack(zlib.compressobj(1, zlib.DEFLATED, 31)),
    "deflate": lambda: Pack(zlib.compressobj(1, zlib.DEFLATED, 15)),
}
UNPACK: dict[str, Callable[[], Coder]] = {
    "": Plain,
    "identity": Plain,
    "lz4": lambda: Unpack(lz4.frame.LZ4FrameDecompressor),
    "zstd": lambda: Unpack(zstandard.ZstdDecompressor().decompressobj),
    "gzip": lambda: Unpack(lambda: zlib.decompressobj(31)),
    "deflate": lambda: Unpack(lambda: zlib.decompressobj(15)),
}


def unpacker(content_encoding: str, frames: bool) -> Coder:
    """What decompresses a request's body; raises `Refused` for an encoding that we do not know."""
    if frames:
        return UnpackFrames()
    make = UNPACK.get(content_encoding.strip().lower())
    if make is None:
        raise Refused(89, "UNKNOWN_COMPRESSION_METHOD", f"Unknown Content-Encoding {content_encoding[:32]!r}")
    return make()


def packer(accept_encoding: str, frames: bool) -> tuple[str, Coder]:
    """The response's Content-Encoding (or none) and what compresses it."""
    if frames:
        return "", PackFrames()
    for text in accept_encoding.lower().split(","):
        encoding, _, quality = text.partition(";")
        if encoding.strip() in PACK and quality.strip() not in ("q=0", "q=0.0"):
            return encoding.strip(), PACK[encoding.strip()]()
    return "", Plain()
