"""The command `cache`: where decoded images and prepared volumes are kept, how much, and clear."""

import typer

from equipoise.cli.voice import say

cache = typer.Typer(
    name="cache",
    help="The cache of decoded images and prepared volumes: where it is, its size; clear it.",
    invoke_without_command=True,
)


def add_to(app: typer.Typer) -> None:
    """Add the command and its part."""
    cache.callback(epilog="Example: [bold]equipoise cache[/]")(show)
    cache.command(epilog="Example: [bold]equipoise cache clear[/]")(clear)
    app.add_typer(cache)


def show(context: typer.Context) -> None:
    """Show where the cache is, and what each part of it takes.

    $EQUIPOISE_CACHE names another folder, or is off; $EQUIPOISE_CACHE_GB limits the decoded images.
    """
    from equipoise.data.cache import FOLDER, LIMIT, cache_folder, size_limit, usage

    if context.invoked_subcommand is not None:
        return
    folder = cache_folder()
    if folder is None:
        say(f"The cache is off (${FOLDER}).")
        return
    say(f"{folder} (${FOLDER} names another folder)")
    for part in usage(folder):
        say(f"  {part.contents}: {part.n_entries:,}, {part.n_bytes / 1e9:.2f} GB")
    say(f"Decoded images are kept up to {size_limit() / 1e9:g} GB (${LIMIT}).")


def clear() -> None:
    """Remove everything that was cached. Do not do this while a study of volumes runs."""
    from equipoise.data import cache as stored

    folder = stored.cache_folder()
    if folder is None:
        say(f"The cache is off (${stored.FOLDER}).")
        return
    n_bytes = sum(part.n_bytes for part in stored.usage(folder))
    stored.clear(folder)
    say(f"{n_bytes / 1e9:.2f} GB removed: {folder}")
