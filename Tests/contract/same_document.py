# SPDX-License-Identifier: Apache-2.0
"""The document that is served says in JSON what it says in YAML, and both say what the files do.

    same_document.py SERVED.yaml SERVED.json FILE...
"""

import json
import pathlib
import sys

import yaml


class Loader(yaml.SafeLoader):
    """Knows JSON's types only: what looks like a date is text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(path):
    return yaml.load(pathlib.Path(path).read_text(encoding="utf-8"), Loader)


def merge(into, members, name):
    """Adds members to a mapping at every level that documents are put together at."""
    for key, value in members.items():
        if key in ("paths", "components") or name == "components":
            merge(into.setdefault(key, {}), value, key)
        elif key in into:
            sys.exit(f"same_document.py: {name}/{key} is in two files")
        else:
            into[key] = value


def main():
    served, as_json, *files = sys.argv[1:]
    document = {}
    for file in files:
        merge(document, load(file), "")
    if load(served) != document:
        sys.exit("same_document.py: the YAML is not what the files say")
    if json.loads(pathlib.Path(as_json).read_text(encoding="utf-8")) != document:
        sys.exit("same_document.py: the JSON is not what the files say")
    print(f"{len(files)} files are the document, in YAML and in JSON")


main()
