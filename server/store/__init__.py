"""What survives a process: the store's contract (`base`) and the backends that keep it."""
