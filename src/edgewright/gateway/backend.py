"""Hold a back end with its breaker, its ledger and its link, and predict what it would take."""

from __future__ import annotations

from edgewright.gateway.breaker import Breaker
from edgewright.gateway.config import SHEET
from edgewright.gateway.jobs import Generator
from edgewright.gateway.ledger import Ledger
from edgewright.gateway.link import Link
from edgewright.gateway.options import Option
from edgewright.gateway.settings import BackendTable, BreakerTable

CHAT = "chat"
WEIGHT = 0.2


def base64_length(count: int) -> int:
    """Return the length of ``count`` bytes in base64."""
    return 4 * -(-count // 3)


class Backend:
    """One back end as the gateway sees it.

    Attributes:
        users: requests whose plan holds it; it is not closed before they are answered.
        answer_bytes: running mean of an answer's size by level, for one sheet of 256x256, as the
            link carries it: images in base64.
    """

    def __init__(
        self, table: BackendTable, breaker: BreakerTable, generator: Generator, link: Link | None
    ) -> None:
        self.table, self.generator, self.link = table, generator, link
        self.breaker, self.ledger = Breaker(breaker), Ledger()
        self.answer_bytes: dict[int, float] = {}
        self.modality = CHAT if table.kind == "text" else table.modality
        self.generated = self.users = 0

    @property
    def name(self) -> str:
        """Return the name of the back end."""
        return self.table.name

    @property
    def edits(self) -> bool:
        """Return whether it can edit an image; an upstream is asked."""
        return self.table.kind != "render"

    @property
    def full(self) -> bool:
        """Return whether its queue takes no more."""
        return len(self.ledger) > self.table.queue

    @property
    def reachable(self) -> bool:
        """Return whether its breaker and its link allow a request."""
        return self.breaker.allows and (self.link is None or self.link.usable)

    def predict(
        self, size: tuple[int, int], count: int, level: int, request_bytes: int, queue_s: float
    ) -> Option:
        """Return the predictions for a request at a level.

        Args:
            queue_s: work ahead, which is the same for all levels.
        """
        expected_s = self.generator.expected_s(size, count, level)
        service_s = self.ledger.ratio * expected_s
        transfer_s = 0.0
        if self.link is not None:
            sheets = count * size[0] * size[1] / SHEET**2
            answer = sheets * self.answer_bytes.get(level, 0.0)
            transfer_s = self.link.seconds(request_bytes + answer)
        energy_j = self.table.power_w * service_s
        return Option(
            self.table.location,
            level,
            self.name,
            queue_s,
            service_s,
            transfer_s,
            energy_j,
        )

    def answered(self, level: int, size: tuple[int, int], count: int, length: int) -> None:
        """Learn the size of an answer.

        Args:
            length: bytes on the link, of images in base64.
        """
        sheets = count * size[0] * size[1] / SHEET**2
        before = self.answer_bytes.get(level, length / sheets)
        self.answer_bytes[level] = before + WEIGHT * (length / sheets - before)
        self.generated += count
