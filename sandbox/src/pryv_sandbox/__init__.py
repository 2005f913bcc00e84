"""A Pryv.io platform in one process, for development and tests."""
