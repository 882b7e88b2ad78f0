"""The language both ends speak: fields, entities, tables, chunks, messages, sessions, schedule.

Everything here is pure: no clock, no socket, no randomness of its own.
"""
