"""What the trunk cache holds, and remove what is no longer needed.

    spatial-swin cache ls                  # every store: model, precision, entries, gigabytes, when it was used last
    spatial-swin cache rm 3f2a91c0         # one store, by the beginning of its name
    spatial-swin cache rm all

A store holds the trunk's output for one model, one preprocessing and one set of augmentation values; whatever is
removed is computed again when a run needs it. A store that a run is using is not removed.
"""

import argparse

from spatial_swin.commands import values


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("action", choices=("ls", "rm"), help="list the stores, or remove some")
    parser.add_argument("stores", nargs="*", help="for rm: beginnings of their names, or `all`")
    parser.add_argument(
        "--trunk_cache_dir", help="folder of the cache, as in the recipe (default: the user's cache folder)"
    )


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.errors import UsageError
    from spatial_swin.trunk.folders import cache_root, choose_stores, list_stores, remove_store, store_table

    root = cache_root(arguments.trunk_cache_dir)
    stores = list_stores(root)
    if arguments.action == "ls":
        if arguments.stores:
            raise UsageError("ls takes no names; it lists every store")
        print(store_table(stores) if stores else f"no stores in {root}")
        return 0
    chosen = choose_stores(stores, arguments.stores, root)
    freed = sum(remove_store(store) for store in chosen)
    print(f"removed {len(chosen)} store{'s' if len(chosen) != 1 else ''}, {freed / 1e9:.2f} GB, from {root}")
    return 0
