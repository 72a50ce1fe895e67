"""Schedules, watching, compaction, audit: light to parse, heavy imports inside tasks."""
