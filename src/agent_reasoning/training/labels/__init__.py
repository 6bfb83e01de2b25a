"""Labels by exact solvers, for problems that come from files and not from a task's own generator."""
