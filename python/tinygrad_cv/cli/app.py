"""The commands of ``tinygrad-cv``, and how a mistake becomes one line."""

from __future__ import annotations

import typer
from typer import rich_utils

from tinygrad_cv.cli import gradcheck, info, knn, predict, train, tune

# What a user can cause: wrong values, missing or broken files, missing packages or devices, a
# diverged run.
MISTAKES = (
    ValueError,
    TypeError,
    IndexError,
    OSError,
    ImportError,
    RuntimeError,
    FloatingPointError,
)

app = typer.Typer(
    name="tinygrad-cv",
    help="Train, try and inspect networks for computer vision on the CPU.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("train")(train.train)
app.command("predict")(predict.predict)
app.command("knn")(knn.knn)
app.command("tune")(tune.tune)
app.command("gradcheck")(gradcheck.gradcheck)
app.command("info")(info.info)


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show a traceback for a mistake."),
) -> None:
    """Train, try and inspect networks for computer vision on the CPU."""
    state["debug"] = debug


state = {"debug": False}


def run(arguments: list[str]) -> int:
    """Run one command; returns the exit code."""
    rich_utils.STYLE_HELPTEXT = ""
    try:
        code = app(arguments, standalone_mode=False)
    except typer.Exit as stop:
        return stop.exit_code
    except typer.Abort:
        return 130
    except MISTAKES as error:
        if state["debug"]:
            raise
        return _say(str(error))
    except Exception as error:
        # click's own errors: an unknown option, a value that is no number.
        if hasattr(error, "format_message"):
            return _say(error.format_message())
        raise
    return code if isinstance(code, int) else 0


def _say(message: str) -> int:
    line = " ".join(message.split())
    typer.echo(f"tinygrad-cv: {line}", err=True)
    return 2
