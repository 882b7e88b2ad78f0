"""What the authority decides: rooms, fan-out, journal, lobby, tokens. Pure."""
