"""The command line. Every command imports what it needs when it runs, so ``--help`` is quick."""

from __future__ import annotations

import importlib
import os
import sys
import warnings

import click

from edgewright.core import renamed
from edgewright.core.errors import CheckFailed, EdgewrightError, InputError
from edgewright.core.stopping import Stopped, ignore_signals
from edgewright.core.version import __version__

COMMANDS = {
    "list": "What there is: scenarios, learners, policies, studies.",
    "train": "Train a learner on a scenario.",
    "evaluate": "Score trained runs on a scenario.",
    "compare": "Compare policies on identical inputs.",
    "bounds": "Bound the optimum from both sides.",
    "sweep": "Train learners over a grid of settings.",
    "study": "Test what a paper claims.",
    "export": "Write a policy as one file that decides.",
    "inspect": "Show what is in a bundle or a recording.",
    "compress": "Prune, distil and quantise a bundle.",
    "serve": "Decide with a bundle over HTTP.",
    "log": "Check or export a log of decisions.",
    "drift": "Test whether a service's inputs or rewards changed.",
    "calibrate": "Fit a scenario to the back ends of a gateway, or to a decision log.",
    "update": "Retrain a bundle from its log, behind a gate.",
    "rollback": "Let the bundle before an update decide again.",
    "gateway": "Put a policy in front of generation servers.",
    "testbed": "Measure the gap between a simulation and real processes.",
    "link": "Delay connections as a link of recorded bandwidth would.",
    "generator": "Train or measure the gateway's own generators.",
    "federate": "Let edge servers build an agent under a contract.",
    "bench": "Measure speed, as ratios in one run.",
    "demo": "Train, compare and report, in minutes.",
}


_EXTRAS = (
    "pip install 'edgewright[train]' to train, export and compress, "
    "'edgewright[serve]' to serve, 'edgewright[gateway]' for the gateway"
)


class LazyGroup(click.Group):
    """Commands by name; a command's module is imported when it is invoked."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in renamed.COMMANDS:
            raise click.UsageError(renamed.command(cmd_name))
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"edgewright.cli.{cmd_name}_command")
        return module.command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


class PluginName(click.ParamType):
    """Name of a plug-in; several in the environment variable are separated as in ``PATH``."""

    name = "plugin"
    envvar_list_splitter = os.pathsep


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "EDGEWRIGHT",
    },
)
@click.version_option(__version__, prog_name="edgewright")
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    type=PluginName(),
    metavar="FILE|MODULE",
    envvar="EDGEWRIGHT_PLUGINS",
    help="Python that registers systems and learners of your own; repeatable.",
)
def app(plugins: tuple[str, ...]) -> None:
    """Train, prove and deploy learned decisions at the network edge."""
    if plugins:
        from edgewright.systems.plugins import load_plugin

        for name in plugins:
            load_plugin(name)


def main() -> None:
    """Run the command line; exit with 0 done, 1 check failed, 2 wrong input, 130/143 stopped."""
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    try:
        if sys.stdout is None:  # closed by whoever started this
            hint = "redirect it to a file or to /dev/null"
            raise InputError("standard output is closed", hint=hint)
        app(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.exceptions.NoSuchOption as error:
        if error.option_name in renamed.OPTIONS:
            message = renamed.option(error.option_name)
            click.UsageError(message, error.ctx).show()
        else:
            error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except CheckFailed as error:
        click.echo(f"failed: {error}", err=True)
        sys.exit(1)
    except EdgewrightError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort) as error:
        ignore_signals()
        click.echo("interrupted; a training goes on where it was when started again", err=True)
        cause = error.__cause__ or error  # click turns an interrupt into an abort
        sys.exit(cause.code if isinstance(cause, Stopped) else 130)
    except ModuleNotFoundError as error:
        if (error.name or "edgewright").split(".")[0] == "edgewright":
            raise
        click.echo(f"error: '{error.name}' is not installed\nhint: {_EXTRAS}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        click.echo(
            f"error: {error}\nhint: is the path right, writable, and the disk not full?", err=True
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
