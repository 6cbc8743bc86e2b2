"""One chart a module: each says in words what it draws, and none tells by colour alone."""
