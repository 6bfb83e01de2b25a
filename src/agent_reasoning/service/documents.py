"""YAML that somebody else wrote: as data, and bounded."""

from collections import Counter
from typing import Any

from agent_reasoning.errors import InvalidRequest

MAX_DEPTH = 100
MAX_NODES = 1_000_000  # with every alias written out: aliases of aliases say in a kilobyte what fills a memory


def read_yaml(text: str | bytes) -> Any:
    """One document as it is; several become one object that lists them, `{"documents": […]}`; None where there is none.

    Times stay text, as Kubernetes reads them. Raises InvalidRequest. A name that stands twice in an object is refused, as
    over HTTP: most readers silently keep the last, and the answer would be to another question than the author's.
    """
    import yaml  # a large import, for people's own files only

    class UniqueLoader(yaml.CSafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012  as the library has it
            first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    def mapping(loader: UniqueLoader, node: yaml.MappingNode) -> dict[Any, Any]:
        names = Counter(str(key.value) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge")
        twice = sorted(name for name, times in names.items() if times > 1)
        if twice:
            raise InvalidRequest(f"An object names the same thing twice: {', '.join(twice[:12])}.")
        loader.flatten_mapping(node)
        return loader.construct_mapping(node, deep=True)

    UniqueLoader.add_constructor("tag:yaml.org,2002:map", mapping)
    try:
        _check_size(yaml.parse(text, yaml.CSafeLoader))
        documents = [document for document in yaml.load_all(text, UniqueLoader) if document is not None]
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise InvalidRequest(f"This is not YAML: {' '.join(str(error).split())}") from None
    if not documents:
        return None
    return documents[0] if len(documents) == 1 else {"documents": documents}


def _check_size(events: Any) -> None:
    """Looks at the events one by one, so that what is too deep is refused before the parser has gone down all of it.
    Raises ValueError."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # anchor, and how many nodes there were before it
    nodes = 0
    for event in events:
        kind = type(event).__name__
        if kind == "AliasEvent":
            nodes += sizes.get(event.anchor, 1)  # of what is still open: the loader refuses that itself
        elif kind == "ScalarEvent":
            nodes += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            open_nodes.append((event.anchor, nodes))
            nodes += 1
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = nodes - before
        if len(open_nodes) > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        if nodes > MAX_NODES:
            raise ValueError(f"it holds more than {MAX_NODES} values, those of its aliases among them")
