"""`treegen completion`."""

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script that completes commands, options and file names in a shell.

    
    bash   treegen completion bash > ~/.local/share/bash-completion/completions/treegen
    zsh    treegen completion zsh > "${fpath[1]}/_treegen"
    fish   treegen completion fish > ~/.config/fish/completions/treegen.fish
    """
    from click.shell_completion import get_completion_class

    from treegen.cli.main import treegen

    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(treegen, {}, "treegen", "_TREEGEN_COMPLETE").source(), nl=False)
