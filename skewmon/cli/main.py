"""The entry point: finds a command, runs it, turns every fault into one readable message."""

import importlib
import io
import os
import sys
import warnings
from pathlib import Path

import click

from skewmon import __version__
from skewmon.cli import user_environment
from skewmon.errors import ConfigError, InventoryAwayError, ListenError, SkewmonError

#: One file a command; imported when the command is named, so that --help stays instant.
COMMANDS = {
    "check": "Measure once and report the proven skew.",
    "run": "Run the daemon.",
    "watch": "Watch a cluster live in the terminal.",
    "demo": "Start a simulated cluster with everything on.",
    "probe": "Measure one node and show the whole transcript.",
    "parse": "Turn the text of a time tool into JSON.",
    "init": "Make the key and the first configuration of the service.",
    "doctor": "Check the whole way, from the configuration to the receivers.",
    "config": "Check, show or start a configuration.",
    "profiles": "List threshold profiles and their sources.",
    "rules": "Print Prometheus rules for a configuration.",
    "events": "Read the journal.",
    "report": "Report the past of clusters, for an incident or an audit.",
    "record": "Verify the record, and print its size.",
    "alerts": "Send a test alert to every receiver.",
    "keys": "Set up the restricted key and the host keys.",
    "assets": "Write the shipped unit, rules, dashboards and examples.",
    "completion": "Print the completion script of a shell.",
    "health": "Check that a running daemon answers.",
}

#: The path of a package's configuration.
DEFAULT_CONFIG = "/etc/skewmon/skewmon.yml"

#: Exit code of ``check`` and every other command but ``run`` for unusable input (Nagios: UNKNOWN).
EXIT_UNUSABLE = 3

#: Exit code of ``run`` for an unusable configuration (EX_CONFIG of sysexits.h; systemd then does not loop).
EXIT_CONFIG = 78

#: Exit code of ``run`` if the reason may pass: systemd then tries again.
EXIT_TRY_AGAIN = 1

#: Characters of one fault; a dozen lines of a terminal, and none of skewmon's own messages is as long.
MAX_FAULT = 1_000

#: Exit code of a program that ended by Ctrl-C, as shells report it.
EXIT_INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group that imports a command only when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, or None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"skewmon.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; suggest near names, of which click knows only those already imported."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=error.ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="skewmon")
def skewmon() -> None:
    """Measure the clocks of a cluster over SSH, prove the skew, name the wrong clock."""


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code; no error of the user ends in a traceback."""
    user_environment.complete()
    unusable = EXIT_CONFIG if arguments[:1] == ["run"] else EXIT_UNUSABLE
    try:
        code = skewmon.main(args=arguments, prog_name="skewmon", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except SystemExit as end:
        # click and rich end with 1 if the reader went away, which from check would be a proven warning
        return EXIT_UNUSABLE if end.code else 0
    except (click.ClickException, SkewmonError, OSError) as error:
        _print_error(error)
        passing = isinstance(error, InventoryAwayError | ListenError)
        return EXIT_TRY_AGAIN if passing and unusable == EXIT_CONFIG else unusable
    except Exception as error:  # noqa: BLE001  # the outermost edge: Python's exit code 1 would mean "warning"
        return _ended_by_defect(error, daemon=unusable == EXIT_CONFIG)
    return code if isinstance(code, int) else 0


def _ended_by_defect(error: Exception, *, daemon: bool) -> int:
    """Report an unexpected error: in the daemon's log with its traceback, else in one line."""
    from skewmon.runtime.containment import Where, described, internal_errors

    if daemon:
        internal_errors.note(Where.LOOP, error)
        return EXIT_TRY_AGAIN
    click.echo(f"skewmon: {described(error)} Please report this as a bug.", err=True)
    return EXIT_UNUSABLE


def _print_error(error: click.ClickException | SkewmonError | OSError) -> None:
    """Print an error on standard error."""
    if isinstance(error, click.ClickException):
        shown = io.StringIO()
        error.show(shown)
        click.echo(_readable(shown.getvalue()), err=True, nl=False)
    elif isinstance(error, OSError):  # of a file that was named, or of standard output
        named = f"{error.filename}: " if error.filename else "standard output: " if _lost_output() else ""
        click.echo(_readable(f"skewmon: {named}{error.strerror or error}"), err=True)
    else:
        faults = error.faults if isinstance(error, ConfigError) else (error,)
        for fault in faults:
            click.echo(_readable(f"skewmon: {fault}"), err=True)


def _readable(fault: str) -> str:
    """Return a fault without its middle if it is very long: click and libraries repeat whole arguments."""
    if len(fault) <= MAX_FAULT:
        return fault
    return f"{fault[: MAX_FAULT // 2]} … {fault[-MAX_FAULT // 2 :]}"


def main() -> None:
    """Run as a program."""
    _take_streams()
    if not sys.warnoptions:  # warnings of libraries are for developers; the daemon logs them
        warnings.showwarning = lambda *_arguments, **_options: None
    code = run(sys.argv[1:])
    error = _lost_output()
    if error is not None and not isinstance(error, BrokenPipeError):
        click.echo(f"skewmon: standard output: {error.strerror}", err=True)
    sys.exit(code or (EXIT_UNUSABLE if error else 0))


def _lost_output() -> OSError | None:
    """Return the error if the output did not arrive: a full disk, a reader that went away; else None."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or it is tried and reported again
        return error
    return None


def _take_streams() -> None:
    """Prepare the standard streams so that no text fails to print."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the parent process
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # to the very end
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ± is no reason to fail
