"""`./ward dlq`: what could not be read, and sending it again after a fix."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infra.errors import ConfigurationError
from infra.settings import load_settings
from producers.dead_letters import (
    TOPIC_NAMES,
    DeadLetter,
    dead_letters,
    find_letters,
    newest_of_each,
    replay,
    sent_sources,
)

app = typer.Typer(no_args_is_help=True, help="Messages that could not be read: look, and send them again after a fix.")
SHOWN_ERROR = 90

TopicOption = Annotated[
    list[str] | None, typer.Option("--topic", help=f"Only this one; may be repeated: {', '.join(TOPIC_NAMES)}.")
]
Names = Annotated[list[str] | None, typer.Argument(metavar="LETTER…", help="as `./ward dlq list` names them")]


@app.command("list")
def list_letters(
    topic: TopicOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that were sent again, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, the newest first.")] = 50,
) -> None:
    """List the dead letters, newest first: when, where the message was read, and why it could not be."""
    settings = load_settings()
    known = sent_sources(settings)
    found = [letter for letter in _letters(topic) if everything or letter.source not in known]
    found.sort(key=lambda letter: letter.at, reverse=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("letter", "when (UTC)", "read from", "state", "why"):
        table.add_column(column, no_wrap=column != "why", overflow="fold")
    for letter in found[:limit]:
        table.add_row(
            letter.name, f"{letter.at:%Y-%m-%d %H:%M:%S}", letter.source, _state(letter, known), _short(letter.error)
        )
    console = _console()
    if not found:
        console.print("No dead letters." if everything else "No dead letters that wait; --all shows those sent again.")
        return
    console.print(table)
    if len(found) > limit:
        console.print(f"{len(found) - limit} more: --limit shows them.")


@app.command()
def show(letter: Annotated[str, typer.Argument(metavar="LETTER", help="as `./ward dlq list` names it")]) -> None:
    """Show one dead letter whole: the reason, where it was read, its key and the original bytes."""
    (found,) = find_letters(load_settings(), [letter])
    console = _console()
    console.print(f"[bold]why[/]        {escape(found.error)}")
    console.print(f"[bold]when[/]       {found.at:%Y-%m-%d %H:%M:%S} UTC")
    console.print(f"[bold]read from[/]  {escape(found.source)} (topic/partition/offset)")
    if found.partly_read:
        console.print(f"[bold]stored[/]     yes, all but {escape(found.partly_read)}")
    if found.cut:
        console.print(f"[bold]cut[/]        only the beginning of {escape(found.cut)} bytes is here")
    console.print(f"[bold]key[/]        {escape(_readable(found.key))}")
    console.print("[bold]message[/]")
    print(_readable(found.value))


@app.command("replay")
def replay_letters(
    letters: Names = None,
    every: Annotated[bool, typer.Option("--all", help="Every letter that waits and can be sent.")] = False,
    topic: TopicOption = None,
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Send this file's bytes in place of the original.")
    ] = None,
) -> None:
    """Send dead letters to the topic that they were read from. Each message is sent once, however often asked for."""
    if bool(letters) == every:
        raise ConfigurationError("Name the letters to send, or give --all.")
    settings = load_settings()
    if every:
        waiting = [letter for letter in _letters(topic) if letter.source_topic]
        partly = [letter for letter in waiting if letter.partly_read != ""]
        cut = [letter for letter in waiting if letter.partly_read == "" and letter.cut]
        chosen = [letter for letter in waiting if letter.partly_read == "" and not letter.cut]
    else:
        chosen, partly, cut = find_letters(settings, list(dict.fromkeys(letters or []))), [], []
    sent = replay(settings, chosen, file.read_bytes() if file else None)
    console = _console()
    console.print(f"{len(sent.now)} sent again.")
    if sent.before:
        console.print(f"{len(sent.before)} had been sent again before and were left alone.")
    if partly:
        console.print(f"{len(partly)} were left alone: their readings are stored, or may be.")
    if cut:
        console.print(f"{len(cut)} were left alone: only their beginnings are here. See `./ward dlq show`.")


def _letters(topics: list[str] | None) -> list[DeadLetter]:
    return newest_of_each(dead_letters(load_settings(), topics or TOPIC_NAMES))


def _state(letter: DeadLetter, known: set[str]) -> str:
    if letter.source in known:
        return "sent again"
    if letter.partly_read is None:
        return "not known whether stored"
    if letter.partly_read:
        return "partly stored"
    return "cut" if letter.cut else "waits"


def _short(error: str) -> str:
    return escape(error if len(error) <= SHOWN_ERROR else error[:SHOWN_ERROR] + " …")


def _readable(raw: bytes | None) -> str:
    if raw is None:
        return "(none)"
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return repr(raw)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=160)
