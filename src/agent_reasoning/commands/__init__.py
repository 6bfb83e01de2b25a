"""The commands behind `cli`, each imported only when it is typed."""
