"""From a policy to layers, from layers to a graph, from a graph to a bundle."""
