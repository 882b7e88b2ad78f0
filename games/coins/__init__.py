"""Coins: run about, pick up coins."""
