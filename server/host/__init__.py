"""When it happens: rooms get ticks here, and their ticks get committed."""
