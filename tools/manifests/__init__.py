"""Is what Kustomize builds fit to be applied? Each module asks one thing of the objects of an overlay."""
