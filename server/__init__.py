"""The authority: what decides (core), when (host), who is talking (edge), what survives (store)."""
