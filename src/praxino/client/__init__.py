"""Talks to a Praxino server: submits a request, follows its events, fetches its files. Knows no engine, no terminal."""
