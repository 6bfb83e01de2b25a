"""Placements by other means than the package's: every assignment tried. For a few nodes and workloads."""

from itertools import product

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
    for node, capacity in enumerate(cluster.capacity):
        here = [workload for workload, where in enumerate(at) if where == node]
        if any(sum(cluster.demand[w][r] for w in here) > has for r, has in enumerate(capacity)):
            return False
        if any(len(set(here) & set(group)) > 1 for group in cluster.apart):
            return False
    return True


def cost(cluster, at):
    if cluster.objective == "consolidate":
        return len(set(at))
    if cluster.objective == "fewest_moves":
        return sum(was not in (NOWHERE, now) for was, now in zip(cluster.current, at, strict=True))
    shares = [
        sum(cluster.demand[w][r] for w, where in enumerate(at) if where == node) / has
        for node, capacity in enumerate(cluster.capacity) for r, has in enumerate(capacity) if has
    ]  # fmt: skip
    return -int(-max(shares, default=0) * 100 // 1)


def as_it_is(cluster):
    """What leaving everything where it is costs; None where that is not possible."""
    return cost(cluster, cluster.current) if NOWHERE not in cluster.current and fits(cluster, cluster.current) else None


def best(cluster):
    """The least cost of any assignment that fits; None where none does."""
    every = product(range(len(cluster.nodes)), repeat=len(cluster.workloads))
    return min((cost(cluster, at) for at in every if fits(cluster, at)), default=None)
