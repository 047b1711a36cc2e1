"""The tables that a scenario's TOML file may hold, checked by pydantic."""
