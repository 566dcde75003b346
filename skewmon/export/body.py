"""Large bodies on their way out: one copy in memory, however many clients read it and however slowly."""

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

#: Sent at once. aiohttp would hand over the whole body, and asyncio keep a copy for each slow reader.
PIECE_BYTES = 64 * 1024


class Body(Payload):
    """A body that is sent piece by piece, each after the client has taken those before."""

    _value: bytes

    def __init__(self, value: bytes) -> None:
        super().__init__(value, headers={"Content-Type": "application/octet-stream"})
        self._size = len(value)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text."""
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send the body."""
        rest = memoryview(self._value)
        for start in range(0, len(rest), PIECE_BYTES):
            await writer.write(rest[start : start + PIECE_BYTES])
