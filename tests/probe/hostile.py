"""Nodes that speak the protocol and lie, stammer or shout in it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.fleet.clocks import base_ns, kernel_now
from tests.fleet.scripted import Session

FULL_HELLO = "hello probe=python3 real=0,1 raw=0,1 mono=0,1 boot=0,1 boot_id=b1 clocksource=tsc"
PLAIN_HELLO = "hello probe=bash real=0,1000 boot_id=b1 clocksource=tsc"


@dataclass
class Liar:
    """A node-side program; each part can be replaced by a rude one.

    ``reply`` gets the nonce and the id of a request and returns the answer; ``before`` comes first.
    """

    hello: str = FULL_HELLO
    reply: "Callable[[Liar, str, int], bytes]" = lambda liar, nonce, ident: liar.honest(nonce, ident)
    before: Callable[[Session, str], Awaitable[None]] | None = None
    nonce: str | None = None  # if the client's first line was read already
    asked: list[int] = field(default_factory=list)

    async def __call__(self, session: Session) -> None:
        """Serve one session."""
        nonce = self.nonce or await nonce_of(session)
        if self.before:
            await self.before(session, nonce)
        await session.write(f"\nSKEWMON1 {nonce} {self.hello}\n".encode())
        while line := await session.read_line():
            words = line.split()
            if len(words) == 2 and words[0] == nonce.encode():
                self.asked.append(int(words[1]))
                await session.write(self.reply(self, nonce, int(words[1])))

    def honest(self, nonce: str, ident: int, *, ahead_ns: int = 0, raw_ahead_ns: int = 0) -> bytes:
        """Return a reply with this machine's clocks, moved by so much."""
        real, mono, raw, boot = kernel_now().at(base_ns())
        if "raw=" not in self.hello:
            return f"{nonce} {ident} {real + ahead_ns} - - - - {real + ahead_ns}\n".encode()
        clocks = (real + ahead_ns, raw + raw_ahead_ns, mono, boot, raw + raw_ahead_ns, real + ahead_ns)
        return f"{nonce} {ident} {' '.join(map(str, clocks))}\n".encode()


async def nonce_of(session: Session) -> str:
    """Return the nonce that the client's first line carries."""
    return (await session.read_line()).split()[2].decode()
