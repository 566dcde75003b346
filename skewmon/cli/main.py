"""The entry point: finds a command, runs it, turns every fault into one readable message."""

import importlib
import sys

import click

from skewmon import __version__
from skewmon.errors import ConfigError, SkewmonError

#: One file a command; imported when the command is named, so that --help stays instant.
COMMANDS = {
    "check": "Measure once and say what is proven.",
    "run": "Run the daemon.",
    "watch": "Watch a cluster live in the terminal.",
    "demo": "Start a simulated cluster with everything on.",
    "probe": "Measure one node and show the whole transcript.",
    "parse": "Turn the text of a time tool into JSON.",
    "config": "Check, show, explain or start a configuration.",
    "profiles": "List threshold profiles and what they rest on.",
    "rules": "Print Prometheus rules for a configuration.",
    "events": "Read the journal.",
    "alerts": "Send a test alert to every receiver.",
    "keys": "Set up the restricted key and the host keys.",
    "completion": "Print the completion script of a shell.",
    "health": "Ask a running daemon whether it is well.",
}

#: Where a package puts the configuration.
DEFAULT_CONFIG = "/etc/skewmon/skewmon.yml"

#: What ``check`` and every other command but ``run`` exits with on unusable input (Nagios: UNKNOWN).
EXIT_UNUSABLE = 3

#: What ``run`` exits with on unusable configuration (EX_CONFIG of sysexits.h; systemd then does not loop).
EXIT_CONFIG = 78

#: What a shell reports of a program that ended by Ctrl-C.
EXIT_INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group that imports a command only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, or None where there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"skewmon.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="skewmon")
def skewmon() -> None:
    """Measure the clocks of a cluster over SSH, prove the skew, name the wrong clock."""


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code; no fault of the user's ends in a traceback."""
    unusable = EXIT_CONFIG if arguments[:1] == ["run"] else EXIT_UNUSABLE
    try:
        code = skewmon.main(args=arguments, prog_name="skewmon", standalone_mode=False)
    except click.ClickException as fault:
        fault.show(sys.stderr)
        return unusable
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except ConfigError as error:
        for one in error.faults:
            click.echo(f"skewmon: {one}", err=True)
        return unusable
    except SkewmonError as error:
        click.echo(f"skewmon: {error}", err=True)
        return unusable
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away; nothing is left to tell it
        return EXIT_UNUSABLE
    return code if isinstance(code, int) else 0


def main() -> None:
    """Run as a program."""
    sys.exit(run(sys.argv[1:]))
