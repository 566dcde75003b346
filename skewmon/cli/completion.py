"""``skewmon completion``: the completion script of a shell."""

import click

from skewmon.cli.main import skewmon

SHELLS = ("bash", "zsh", "fish")

#: The variable by which the script queries completions.
VARIABLE = "_SKEWMON_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash  skewmon completion bash > ~/.local/share/bash-completion/completions/skewmon
    zsh   skewmon completion zsh > ~/.zfunc/_skewmon    (with ~/.zfunc in fpath)
    fish  skewmon completion fish > ~/.config/fish/completions/skewmon.fish
    """
    from click.shell_completion import get_completion_class

    made_for = get_completion_class(shell)
    assert made_for is not None, shell
    click.echo(made_for(skewmon, {}, "skewmon", VARIABLE).source())
