"""Players without a screen: a Python client, brains that drive it, and swarms of them."""
