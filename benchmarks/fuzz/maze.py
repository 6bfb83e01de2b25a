"""Random small mazes with random, tampered and simple paths; the checker is networkx on the grid without its walls, which
shares nothing with the package."""

from itertools import pairwise

import networkx as nx
import numpy as np

from agent_reasoning.tasks.maze import MazeTask
from agent_reasoning.tasks.maze_context import Maze

TASK = MazeTask()


def graph_of(maze):
    graph = nx.grid_2d_graph(len(maze.rows), len(maze.rows[0]))
    graph.remove_nodes_from([cell for cell in list(graph) if maze.rows[cell[0]][cell[1]] == "#"])
    return graph


def draw(rng):
    """One whose goal can be reached: others are refused before they are solved."""
    while True:
        shape = tuple(rng.integers(1, 7, 2).tolist())
        if shape == (1, 1):
            continue
        is_open = rng.random(shape) >= rng.uniform(0, 0.5)
        start, goal = (tuple(map(int, divmod(cell, shape[1]))) for cell in rng.choice(is_open.size, 2, replace=False))
        is_open[start] = is_open[goal] = True
        maze = Maze.of(is_open, start, goal)
        if nx.has_path(graph_of(maze), start, goal):
            return maze


def walk(rng, maze):
    """Without crossing itself, to the goal or as far as it comes."""
    graph, path = graph_of(maze), [maze.start]
    while path[-1] != maze.goal:
        ahead = [cell for cell in graph[path[-1]] if cell not in path]
        if not ahead:
            break
        path.append(ahead[int(rng.integers(len(ahead)))])
    return path


def tampered(rng, path):
    """A cell moved, left out, doubled or put elsewhere in the order."""
    changed, place = list(path), int(rng.integers(len(path)))
    kind = rng.integers(4)
    if kind == 0:
        changed[place] = (changed[place][0] + int(rng.integers(-1, 2)), changed[place][1] + int(rng.integers(-1, 2)))
    elif kind == 1:
        changed.pop(place)
    elif kind == 2:
        changed.insert(place, changed[place])
    else:
        changed.insert(int(rng.integers(len(path))), changed.pop(place))
    return changed


def answered(rng):
    maze = draw(rng)
    kind = rng.integers(4)
    if kind == 0:  # what a network might mark
        candidates = TASK.encode(maze).candidates
        return maze, TASK.decode(maze, np.array([rng.choice(np.flatnonzero(row)) for row in candidates]))
    path = walk(rng, maze) if kind == 1 else nx.shortest_path(graph_of(maze), maze.start, maze.goal)
    if kind == 3:
        path = tampered(rng, path)
    solution = {"path": [list(cell) for cell in path]}
    return maze, solution if rng.random() < 0.9 else solution | {"stray": [[0, 0]]}


def verify(maze, solution):
    return TASK.verify(maze, solution)


def is_right(maze, solution):
    graph, path = graph_of(maze), [tuple(cell) for cell in solution["path"]]
    return (
        not solution.get("stray")
        and bool(path)
        and all(cell in graph for cell in path)
        and (path[0], path[-1]) == (maze.start, maze.goal)
        and all(graph.has_edge(one, other) for one, other in pairwise(path))
        and len(path) - 1 == best(maze)
    )


def best(maze):
    return nx.shortest_path_length(graph_of(maze), maze.start, maze.goal)
