"""The state of a platform: settings, clock, database, files."""
