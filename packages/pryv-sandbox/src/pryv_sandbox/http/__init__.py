"""HTTP: the paths of the platform, and the server that serves them."""
