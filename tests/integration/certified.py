"""An authority that signs keys with ssh-keygen, and a node with a host certificate."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fleet.sshd import Fleet, Login

HOST, USER = ("-h",), ()


class Authority:
    """A key that signs others."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self.key = directory / name
        keygen("-q", "-t", "ed25519", "-N", "", "-f", str(self.key))

    @property
    def public(self) -> str:
        """The public key in one line, without its comment."""
        return " ".join(self.key.with_name(f"{self.key.name}.pub").read_text().split()[:2])

    def sign(
        self, public: Path, principal: str, *, validity: str = "-1h:+1h", kind: tuple[str, ...] = HOST
    ) -> Path:
        """Sign a public key; return the certificate, which is beside it."""
        options = ["-q", "-s", str(self.key), "-I", "test", "-n", principal, "-V", validity]
        keygen(*options, *kind, str(public))
        return public.with_name(f"{public.stem}-cert.pub")


def keygen(*arguments: str) -> None:
    """Run ssh-keygen."""
    subprocess.run(["ssh-keygen", *arguments], check=True, capture_output=True)


@contextmanager
def certified(
    directory: Path, validity: str = "-1h:+1h", principal: str | None = None, signer: str = "authority"
) -> Iterator[Fleet]:
    """Yield a node that shows a host certificate, and whose authority alone is in known_hosts."""
    authority = Authority(directory)
    signing = authority if signer == "authority" else Authority(directory, signer)
    with Fleet(1) as fleet:
        node = fleet["n1"]
        public = node.directory / "host_key.pub"
        keygen_public(node.directory / "host_key", public)
        certificate = signing.sign(public, principal or node.address, validity=validity)
        node.stop()
        node.login = Login(sshd_lines=(f"HostCertificate {certificate}",))
        node.start()
        fleet.known_hosts.write_text(f"@cert-authority [{node.address}]:{node.port} {authority.public}\n")
        yield fleet


def keygen_public(private: Path, public: Path) -> None:
    """Write the public half of a private key."""
    done = subprocess.run(["ssh-keygen", "-y", "-f", str(private)], check=True, capture_output=True)
    public.write_bytes(done.stdout)
