"""Placements by other means than the package's: every assignment tried. For a few nodes and workloads."""

from fractions import Fraction

from hypothesis import strategies as st

from agent_reasoning.tasks.cluster import NOWHERE, Cluster


@st.composite
def clusters(draw, most_nodes=3, most_workloads=4):
    nodes, count = draw(st.integers(1, most_nodes)), draw(st.integers(1, most_workloads))
    amounts = st.tuples(st.integers(0, 6), st.integers(0, 6))
    return Cluster(
        resources=("cpu", "memory"),
        nodes=tuple(f"n{node}" for node in range(nodes)),
        capacity=tuple(draw(st.lists(amounts, min_size=nodes, max_size=nodes))),
        workloads=tuple(f"w{workload}" for workload in range(count)),
        demand=tuple(draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=count, max_size=count))),
        allowed=tuple(
            tuple(sorted(draw(st.sets(st.integers(0, nodes - 1), min_size=1)))) for _ in range(count)
        ),
        current=tuple(draw(st.integers(NOWHERE, nodes - 1)) for _ in range(count)),
        apart=tuple(tuple(sorted(group)) for group in draw(st.lists(st.sets(st.integers(0, count - 1), min_size=2), max_size=2)))
        if count > 1
        else (),
        objective=draw(st.sampled_from(["consolidate", "spread", "fewest_moves"])),
    )  # fmt: skip


def fits(cluster, at):
    """`at`: a node for each workload, or NOWHERE."""
    for workload, node in enumerate(at):
        if node != NOWHERE and node not in cluster.allowed[workload]:
            return False
    return all(is_in_order(cluster, at, node) for node in range(len(cluster.nodes)))


def is_in_order(cluster, at, node):
    here = [workload for workload, where in enumerate(at) if where == node]
    if any(sum(cluster.demand[w][r] for w in here) > has for r, has in enumerate(cluster.capacity[node])):
        return False
    return not any(len(set(here) & set(group)) > 1 for group in cluster.apart)


def cost(cluster, at):
    if cluster.objective == "consolidate":
        return len(set(at))
    if cluster.objective == "fewest_moves":
        return sum(was not in (NOWHERE, now) for was, now in zip(cluster.current, at, strict=True))
    return max((-(-share * 100 // 1) for share in shares(cluster, at)), default=0)


def shares(cluster, at, resources=None):
    """How full each node that is in use is, of each resource that it has."""
    return [
        Fraction(sum(cluster.demand[w][r] for w, where in enumerate(at) if where == node), cluster.capacity[node][r])
        for node in sorted(set(at) - {NOWHERE})
        for r in (range(len(cluster.resources)) if resources is None else resources)
        if cluster.capacity[node][r]
    ]


def as_it_is(cluster):
    """What leaving everything where it is costs; None where that is not possible."""
    return cost(cluster, cluster.current) if NOWHERE not in cluster.current and fits(cluster, cluster.current) else None


def best(cluster):
    """The least cost of any assignment that fits; None where none does."""
    at = best_places(cluster)
    return None if at is None else cost(cluster, at)


def best_places(cluster):
    """An assignment of that cost. Every one is tried, those alone left out of which a part does not fit already."""
    return min(_every(cluster, []), key=lambda at: cost(cluster, at), default=None)


def _every(cluster, begun):
    if len(begun) == len(cluster.workloads):
        yield begun
        return
    for node in cluster.allowed[len(begun)]:
        if is_in_order(cluster, [*begun, node], node):
            yield from _every(cluster, [*begun, node])


def moves_are_right(cluster, at, solution):
    """Whether they lead from what runs to `at`, or to where the blocked are not, with no node that something comes to
    overdrawn; and whether what is said beside them is so."""
    now = dict(zip(cluster.workloads, cluster.current, strict=True))
    names = [*cluster.nodes, None]  # NOWHERE is the last
    for move in solution["moves"]:
        name, node = move["workload"], names.index(move["to"]) if move["to"] in cluster.nodes else None
        if name not in now or node is None or names[now[name]] != move["from"] or now[name] == node:
            return False
        now[name] = node
        if node not in cluster.allowed[cluster.workloads.index(name)] or not is_in_order(
            cluster, [*now.values()], node
        ):
            return False
    blocked = {name for name, node in zip(cluster.workloads, at, strict=True) if now[name] != node}
    before, after = set(cluster.current) - {NOWHERE}, set(at)
    return (
        set(solution["blocked"]) == blocked
        and (not solution["needs_temporary_move"] or (bool(blocked) and not can_be_reached(cluster, at)))
        and set(solution["freed"]) == {cluster.nodes[node] for node in before - after}
        and solution["nodes_in_use"] == len(after)
        and solution["utilisation"] == {"before": fullness(cluster, cluster.current), "after": fullness(cluster, at)}
    )


def fullness(cluster, at):
    used = set(at) - {NOWHERE}
    found = {}
    for r, name in enumerate(cluster.resources):
        wanted = sum(cluster.demand[w][r] for w, node in enumerate(at) if node != NOWHERE)
        whole = sum(cluster.capacity[node][r] for node in used)
        fullest = max(shares(cluster, at, [r]), default=0)
        found[name] = {
            "of_nodes_in_use": round(wanted / whole * 100, 1) if whole else 0.0,
            "of_fullest_node": round(float(fullest) * 100, 1),
        }
    return found


def can_be_reached(cluster, at):
    """Whether some order of single moves leads there, over all of them. What does not fit now may stand, nothing may come to it."""
    pending = frozenset(w for w, node in enumerate(at) if node != cluster.current[w])
    seen, open_states = set(), [frozenset()]
    while open_states:
        moved = open_states.pop()
        if moved == pending:
            return True
        for workload in pending - moved:
            now = [at[w] if w in moved | {workload} else cluster.current[w] for w in range(len(at))]
            after = moved | {workload}
            if after not in seen and is_in_order(cluster, now, at[workload]):
                seen.add(after)
                open_states.append(after)
    return False
