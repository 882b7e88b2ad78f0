"""Arena: tanks with turrets, walls that bounce shells, and a clock."""
