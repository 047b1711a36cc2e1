"""Put learners together from their classes, one around another or one for each of two levels."""

from __future__ import annotations

import dataclasses
from typing import Any

from edgewright.core.errors import InputError, nearest
from edgewright.core.settings import check_settings, settings_of


@dataclasses.dataclass(frozen=True)
class Design:
    """A class of learners, the learners in its fields, and all settings.

    Attributes:
        make: the class.
        inner: learners by the field that takes them.
        nested: whether each inner learner has a table of settings of its own, called as its field;
            else settings go to whichever class has them.
        settings: of this class, and in tables or directly those of the inner ones.
    """

    make: type
    inner: dict[str, Design] = dataclasses.field(default_factory=dict)
    nested: bool = False
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def fields(self) -> dict[str, tuple[Any, Any]]:
        """Default and type of every setting outside of tables."""
        own = settings_of(self.make)
        flat = {} if self.nested else self.inner
        return {**{k: v for one in flat.values() for k, v in one.fields.items()}, **own}

    @property
    def classes(self) -> list[type]:
        """The classes, the outer one first."""
        return [self.make, *(one for part in self.inner.values() for one in part.classes)]

    def with_settings(self, over: dict[str, Any]) -> Design:
        """Return the design with other settings on top; those of a table are merged into it."""
        tables, own = self._split(over)
        inner = {
            field: part.with_settings(tables[field]) if field in tables else part
            for field, part in self.inner.items()
        }
        return dataclasses.replace(self, inner=inner, settings={**self.settings, **own})

    def with_defaults(self, defaults: dict[str, Any]) -> Design:
        """Return the design with settings below its own, in every class that has them."""
        known = {key: value for key, value in defaults.items() if key in self.fields}
        inner = {field: part.with_defaults(defaults) for field, part in self.inner.items()}
        return dataclasses.replace(
            self, inner=inner if self.nested else self.inner, settings={**known, **self.settings}
        )

    def check(self, name: str, table: str = "learner") -> None:
        """Check all settings against the types of the fields.

        Raises:
            InputError: a setting does not exist, or its value has another type or is out of range.
        """
        check_settings(name, self.fields, self.settings, table)
        for field, part in self.inner.items() if self.nested else ():
            part.check(f"{field} of {name}", f"{table}.{field}")

    def made(self) -> Any:
        """Return the learner."""
        own = {key: value for key, value in self.settings.items() if key in settings_of(self.make)}
        own = {key: tuple(one) if isinstance(one, list) else one for key, one in own.items()}
        for field, part in self.inner.items():
            rest = {} if self.nested else {k: v for k, v in self.settings.items() if k not in own}
            own[field] = part.with_settings(rest).made()
        return self.make(**own)

    def all_settings(self) -> dict[str, Any]:
        """Return the settings as one would write them, tables included."""
        tables = {field: part.all_settings() for field, part in self.inner.items()}
        if self.nested:
            return {**{k: v for k, v in tables.items() if v}, **self.settings}
        return {**{k: v for own in tables.values() for k, v in own.items()}, **self.settings}

    def _split(self, settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the tables of inner learners, and what is not in one.

        Raises:
            InputError: a table is none of an inner learner, or an inner learner has no table.
        """
        named = self.inner if self.nested else {}
        for key, value in settings.items():
            if isinstance(value, dict) != (key in named):
                message = f"{value!r} is not a table of settings"
                if key not in named:
                    message = f"the learner has no part '{key}'"
                hint = nearest(key, named) if named else "write its settings without a table"
                raise InputError(message, where=f"learner.{key}", hint=hint)
        tables = {key: value for key, value in settings.items() if key in named}
        return tables, {key: value for key, value in settings.items() if key not in named}


def slot_of(make: Any) -> str:
    """Return the field of an outer class that takes the inner learner: the one without default."""
    fields = dataclasses.fields(make)
    return next(field.name for field in fields if field.default is dataclasses.MISSING)


__all__ = ["Design", "slot_of"]
