"""What verbs share: their options and arguments, and how a group of them answers a wrong word."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer
from typer.core import TyperGroup

from tinysight.errors import UnknownName, unknown

__all__ = [
    "Classes",
    "DataName",
    "DataWords",
    "Device",
    "Json",
    "Layout",
    "Quiet",
    "RecipeName",
    "RunName",
    "SkipBad",
    "Source",
    "Tta",
    "ValueRange",
    "Verbs",
    "Words",
]

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="A run folder, or its name below runs/.")
]
Source = Annotated[str, typer.Argument(metavar="DATA", help="A name (see data list) or a path.")]
Words = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads it at run time
    typer.Argument(metavar="[FIELD=VALUE]...", help="Recipe fields, e.g. epochs=4 optim.lr=0.2."),
]
DataWords = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads it at run time
    typer.Argument(metavar="[FIELD=VALUE]...", help="Fields of data, e.g. size=32 label=coarse."),
]
DataName = Annotated[str, typer.Argument(metavar="NAME", help="A name; see data list.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Tta = Annotated[
    str,
    typer.Option(
        metavar="none|mirror|mirror+shift",
        help="Test-time augmentation: 1, 2 or 6 views of each picture.",
    ),
]
ValueRange = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time
    typer.Option(metavar="LOW,HIGH", help="What black and white are, in arrays but uint8."),
]
Layout = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time
    typer.Option(metavar="nhwc|nchw", help="The axes of arrays whose shape leaves them open."),
]
Classes = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time
    typer.Option(metavar="A,B,C", help="Names of classes that the data knows by number."),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave unreadable pictures out.")]
RecipeName = Annotated[
    str, typer.Option("--recipe", "-r", help="A name (see recipes), a recipe.json, or a run.")
]


class Verbs(TyperGroup):
    """Verbs that refuse a wrong one by our own words, and show the help when none is given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show the help where no verb is given."""
        if not args:
            print(ctx.get_help(), end="")
            raise typer.Exit(2)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the verb that is meant.

        Raises:
            UnknownName: there is none of that name.
        """
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            whole = f"{ctx.command_path} {name}".removeprefix("tinysight ")
            said = str(unknown("verb", name, self.list_commands(ctx)))
            raise UnknownName(said.replace(repr(name), repr(whole), 1))
        return super().resolve_command(ctx, args)
