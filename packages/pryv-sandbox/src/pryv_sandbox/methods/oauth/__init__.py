"""The authorization server of OAuth 2."""
