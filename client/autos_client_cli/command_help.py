"""Help pages: examples with the program's own name, no types beside flags, and the user's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from autos_client_cli.texts import t

if TYPE_CHECKING:
    # Both kinds of command have the methods that the help page extends.
    _Base = TyperCommand
else:
    _Base = object

_PROGRAM = "{program}"
# Help texts that Typer writes itself.
_TYPERS_OWN = {
    "Show this message and exit.": t("Show this message and exit."),
    "Install completion for the current shell.": t("Install completion for the current shell."),
    "Show completion for the current shell, to copy it or customize the installation.": t(
        "Show completion for the current shell, to copy it or customize the installation."
    ),
}

# Words in the line that shows how a command is written.
_WORDS_OF_USAGE = (
    ("Usage:", t("Usage:")),
    ("[OPTIONS]", t("[OPTIONS]")),
    ("COMMAND [ARGS]", t("COMMAND [ARGS]")),
)


def examples(*lines: str) -> str:
    """Return an epilog of examples. Each is what follows the program's name on the command line."""
    return "\n".join((t("Examples:"), *(f"  {_PROGRAM} {line}" for line in lines)))


class _HelpPage(_Base):
    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters as the help page shows them."""
        return _prepare(super().get_params(ctx))

    def get_usage(self, ctx: Any) -> str:
        """Return the usage line."""
        return _translate_usage(super().get_usage(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help page."""
        self.epilog = _with_program(self.epilog, ctx)
        _translate_required()
        super().format_help(ctx, formatter)


class Command(_HelpPage, TyperCommand):
    """A command with such a help page."""


class Group(_HelpPage, TyperGroup):
    """A program or a group of commands with such a help page."""


def _prepare(params: list[Any]) -> list[Any]:
    for param in params:
        is_argument = isinstance(param, TyperArgument)
        if is_argument or (isinstance(param, TyperOption) and param.is_flag):
            # Typer shows `<bool>` and `<list[str]>`, and has no setting for that.
            param.display_type_rich = lambda ctx: None
        param.help = _TYPERS_OWN.get(param.help, param.help)
        param.rich_help_panel = param.rich_help_panel or (t("Arguments") if is_argument else t("Options"))
    return params


def _translate_usage(usage: str) -> str:
    for english, users in _WORDS_OF_USAGE:
        usage = usage.replace(english, users, 1)
    return usage


def _translate_required() -> None:
    # Typer has no other setting for this word, and imports Rich only where a help page is shown.
    from typer import rich_utils

    rich_utils.REQUIRED_LONG_STRING = t("[required]")


def _with_program(epilog: str | None, ctx: Any) -> str | None:
    return epilog and epilog.replace(_PROGRAM, ctx.find_root().info_name or "autos-client")
