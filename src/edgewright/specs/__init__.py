"""What a TOML file may say: the tables of a scenario, checked by pydantic."""
