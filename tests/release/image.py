"""The image: built from the Dockerfile by buildah without a registry, and run in a network of its own."""

import contextlib
import json
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.release.roots import ROOT, SOURCE, TRIAL_LIMIT_S

#: What the Dockerfile builds on; the name is given to the empty root here.
BASE = "docker.io/library/python:3.13-slim"

NAME = "localhost/skewmon"


CONFIGURATION = """\
web: {listen: ":10061"%s}
ssh: {known_hosts: /dev/null}
clusters: {none: {nodes: [127.0.0.1, "::1"]}}
"""

TLS = "tls_server_config: {cert_file: page.pem, key_file: page.pem}\n"


@dataclass(frozen=True)
class Image:
    """A container of the image, in a storage that is removed at the end."""

    storage: tuple[str, ...]
    container: str

    def buildah(self, *words: str | Path) -> list[str]:
        """Return the command line of buildah on this storage."""
        return ["buildah", *self.storage, *map(str, words)]

    def configuration(self) -> dict[str, object]:
        """Return the image's settings, as Docker has them."""
        found: dict[str, dict[str, object]] = json.loads(_run(self.buildah("inspect", self.container)))[
            "Docker"
        ]
        return dict(found["config"])  # type: ignore[call-overload]

    def run(self, *options: str | Path) -> list[str]:
        """Return the command line that runs a command in the image, by its user, its options first."""
        return self.buildah("run", "--isolation", "chroot", *options)


def _run(command: list[str]) -> str:
    done = subprocess.run(
        command,
        cwd=SOURCE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TRIAL_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


@contextlib.contextmanager
def built_image(needs: Path, directory: Path) -> Iterator[Image]:
    """Build the Dockerfile on the empty root, with packages from a directory; remove all of it at the end."""
    directory.chmod(0o755)
    storage = ("--root", f"{directory}/store", "--runroot", f"{directory}/run", "--storage-driver", "vfs")
    base = Image(storage, "")
    try:
        scratch = _run(base.buildah("from", "scratch"))
        _run(base.buildah("copy", "--quiet", scratch, ROOT, "/"))
        pip = ("--env", "PIP_NO_INDEX=1", "--env", "PIP_FIND_LINKS=/needs")
        _run(base.buildah("config", *pip, "--env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", scratch))
        _run(base.buildah("commit", "--quiet", "--rm", scratch, BASE))
        # The OCI format has no health check.
        options = (
            "--isolation",
            "chroot",
            "--pull-never",
            "--format",
            "docker",
            "--volume",
            f"{needs}:/needs:ro",
        )
        _run(base.buildah("bud", *options, "--tag", NAME, "."))
        yield Image(storage, _run(base.buildah("from", "--pull-never", NAME)))
    finally:
        _run(base.buildah("rm", "--all"))
        _run(base.buildah("rmi", "--all", "--force"))


def alone(*words: str) -> list[str]:
    """Return the command line that runs a command in a network of its own."""
    return ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "alone", *words]


def ran(image: Image, arguments: str) -> str:
    """Run the image's entry point with arguments to its end; return the output."""
    entry = image.configuration()["Entrypoint"]
    assert isinstance(entry, list)
    return _run(alone(*image.run(image.container, "--", *entry, *arguments.split())))


def health_of(image: Image, directory: Path, *, tls: bool) -> tuple[int, int, int]:
    """Return the exit codes of the image's health check: before its daemon runs, meanwhile, and after."""
    settings = image.configuration()
    check, entry, command = (settings[name] for name in ("Healthcheck", "Entrypoint", "Cmd"))
    assert isinstance(check, dict)
    assert isinstance(entry, list)
    assert isinstance(command, list)
    assert check["Test"][0] == "CMD"
    furnish(directory, tls=tls)
    asked = shlex.join(check["Test"][1:])
    served = shlex.join([*entry, *command])
    # All in one run: the check needs the network of the daemon.
    script = f"""
        {asked}; before=$?
        {served} >/tmp/log 2>&1 & daemon=$!
        n=0; until {asked} >/tmp/asked; do n=$((n + 1)); [ $n -lt 100 ] || break; sleep 0.3; done
        {asked}; meanwhile=$?
        kill $daemon; wait $daemon; {asked}; echo $before $meanwhile $?; cat /tmp/log
    """
    mount = ("--volume", f"{directory}:/etc/skewmon:ro")
    said = _run(alone(*image.run(*mount, image.container, "--", "sh", "-c", script)))
    (codes,) = (line.split() for line in said.splitlines() if line.replace(" ", "").isdigit())
    before, meanwhile, after = map(int, codes)
    return before, meanwhile, after


def furnish(directory: Path, *, tls: bool) -> None:
    """Write the configuration of a daemon whose nodes do not answer."""
    directory.mkdir()
    directory.chmod(0o755)
    web = ", config_file: web.yml" if tls else ""
    (directory / "skewmon.yml").write_text(CONFIGURATION % web)
    (directory / "web.yml").write_text(TLS)
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=page -days 2"
    (directory / "page.pem").write_text(_run([*make.split(), "-keyout", "-"]))
