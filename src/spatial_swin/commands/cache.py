"""What the trunk cache holds, and remove what is no longer needed.

    spatial-swin cache ls                  # every store: model, precision, entries, gigabytes, when it was used last
    spatial-swin cache rm 3f2a91c0         # one store, by the beginning of its name
    spatial-swin cache rm all

A store holds the trunk's output for one model, one preprocessing and one set of augmentation values; whatever is
removed is computed again when a run needs it. A store that a run is using is not removed.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("ls", "rm"), help="list the stores, or remove some")
    parser.add_argument("stores", nargs="*", help="for rm: beginnings of their names, or `all`")
    parser.add_argument("--trunk_cache_dir", help="folder of the cache, as in the recipe [the user's cache folder]")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.errors import UsageError
    from spatial_swin.trunk.folders import cache_root, list_stores, remove_store

    root = cache_root(arguments.trunk_cache_dir)
    stores = list_stores(root)
    if arguments.action == "ls":
        if arguments.stores:
            raise UsageError("ls takes no names; it lists every store")
        print(table(stores) if stores else f"no stores in {root}")
        return 0
    if not arguments.stores:
        raise UsageError("rm needs the beginning of a store's name (`spatial-swin cache ls`), or `all`")
    chosen = []
    for name in arguments.stores:
        matching = stores if name == "all" else [store for store in stores if store.name.startswith(name)]
        if not matching and name != "all":
            raise UsageError(f"no store in {root} begins with {name!r}; `spatial-swin cache ls` shows their names")
        if name != "all" and len(matching) > 1:
            raise UsageError(f"{len(matching)} stores begin with {name!r}; give more of the name")
        chosen += [store for store in matching if store not in chosen]
    freed = sum(remove_store(store) for store in chosen)
    print(f"removed {len(chosen)} store{'s' if len(chosen) != 1 else ''}, {freed / 1e9:.2f} GB, from {root}")
    return 0


def table(stores: list[Path]) -> str:
    """One line a store, and their sum."""
    from spatial_swin.trunk.folders import describe_store

    found = [describe_store(store) for store in stores]
    rows = [("store", "model", "training begins at", "stored", "draws", "outputs", "GB", "last used")]
    for summary in found:
        rows.append(
            (
                summary.name[:12],
                summary.model,
                summary.cut,
                summary.stored,
                summary.draws,
                f"{summary.entries:,}",
                f"{summary.size / 1e9:.2f}",
                summary.used,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    total = sum(summary.size for summary in found) / 1e9
    return "\n".join([*lines, f"\n{len(stores)} stores, {total:.2f} GB in {stores[0].parent}"])
