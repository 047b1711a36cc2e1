"""List the published formats, one entry each, with columns, units and how each is recognised.

- G-NetTrack: Raca et al., MMSys 2018 (4G) and MMSys 2020 (5G)
- Lumos5G: Narayanan et al., IMC 2020
- 5Gophers: Narayanan et al., WWW 2020
- HSDPA: Riiser et al., MMSys 2013; Ghent: van der Hooft et al., IEEE Communications Letters 2016
- Mahimahi: Netravali et al., USENIX ATC 2015
- Pensieve: Mao et al., SIGCOMM 2017; Oboe: Akhtar et al., SIGCOMM 2018 (both two columns)
- Azure LLM inference: Patel et al., Splitwise, ISCA 2024, and the logs of 2024 and 2025
- BurstGPT: Wang et al., KDD 2025
- Mooncake: Qin et al., FAST 2025
- Qwen-Bailian: Alibaba's usage traces of Qwen; GenTD26: alibaba/clusterdata
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgewright.streams.traces.tables import Layout, Table
from edgewright.streams.traces.units import plain, rate_in_name, time_in_name

Kind = Literal["bandwidth", "requests"]

CLOCK = "clock"
"""Unit of a time that is written as text."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a format.

    Attributes:
        role: what it holds: ``time``, ``rate``, ``bytes``, ``interval``, ``input``, ``output``
            or ``run``. A format of bandwidth with times alone has one for each packet.
        names: what the column may be called, in any case of letters.
        unit: its unit; "" where only the name, or the user, can say it.
        is_assumed: whether the unit is a custom, which the file does not state.
    """

    role: str
    names: tuple[str, ...]
    unit: str = ""
    is_assumed: bool = False


@dataclass(frozen=True, kw_only=True)
class Format:
    """A published format.

    Attributes:
        name: what it is called.
        kind: what it records.
        layouts: how its columns may be separated.
        columns: those that are read; others are ignored.
        marks: plain names of further columns by which it is recognised.
        width: number of columns where there is no header; None for a header.
        is_by_unit: whether a column's name may end in its unit.
    """

    name: str
    kind: Kind
    columns: tuple[Column, ...]
    layouts: tuple[Layout, ...] = ("csv", "columns")
    marks: tuple[str, ...] = ()
    width: int | None = None
    is_by_unit: bool = False

    def match(self, table: Table) -> dict[str, list[str]] | None:
        """Return the names of the table's columns for each role; None for another format."""
        if table.layout not in self.layouts or table.has_header != (self.width is None):
            return None
        if self.width is not None and len(table.names) != self.width:
            return None
        if not {plain(name) for name in table.names} >= set(self.marks):
            return None
        result: dict[str, list[str]] = {}
        for column in self.columns:
            wanted = {plain(name) for name in column.names}
            names = [name for name in table.names if self.base(column.role, name) in wanted]
            if not names:
                return None
            result[column.role] = result.get(column.role, []) + names
        return result

    def base(self, role: str, name: str) -> str:
        """Return a column's plain name, without a unit where the format has it in the name."""
        if self.is_by_unit and role in ("time", "rate"):
            return (time_in_name if role == "time" else rate_in_name)(name)[0]
        return plain(name)


_TIMES = ("time", "timestamp", "t", "ts", "date", "datetime", "second", "seconds", "elapsed",
          "elapsed_time", "arrival", "arrival_time", "arrived_at")  # fmt: skip
_RATES = ("bandwidth", "throughput", "rate", "bitrate", "bit_rate", "data_rate", "datarate")
_INPUTS = ("input_tokens", "prompt_tokens", "context_tokens", "input_length", "input_len",
           "num_prefill_tokens", "prompt_len", "contexttokens", "request_tokens")  # fmt: skip
_OUTPUTS = ("output_tokens", "completion_tokens", "generated_tokens", "output_length",
            "output_len", "num_decode_tokens", "generatedtokens", "response_tokens")  # fmt: skip

FORMATS = (
    Format(
        name="G-NetTrack",
        kind="bandwidth",
        columns=(Column(role="time", names=("Timestamp",), unit=CLOCK),
                 Column(role="rate", names=("DL_bitrate",), unit="kbit/s")),
        marks=("ul_bitrate",),
    ),
    Format(
        name="Lumos5G",
        kind="bandwidth",
        columns=(Column(role="time", names=("seq_num",), unit="s"),
                 Column(role="rate", names=("Throughput",), unit="Mbit/s"),
                 Column(role="run", names=("run_num",))),
    ),
    Format(
        name="5Gophers",
        kind="bandwidth",
        columns=(Column(role="time", names=("seq_num",), unit="s"),
                 Column(role="rate", names=("throughput_mbps",), unit="Mbit/s"),
                 Column(role="run", names=("protocol",)),
                 Column(role="run", names=("num_tcp_conn",))),
    ),
    Format(
        name="HSDPA or Ghent",
        kind="bandwidth",
        columns=(Column(role="time", names=("2",), unit="ms"),
                 Column(role="bytes", names=("5",)),
                 Column(role="interval", names=("6",))),
        layouts=("columns",),
        width=6,
    ),
    Format(
        name="Mahimahi",
        kind="bandwidth",
        columns=(Column(role="time", names=("1",), unit="ms"),),
        layouts=("columns",),
        width=1,
    ),
    Format(
        name="two columns",
        kind="bandwidth",
        columns=(Column(role="time", names=("1",), unit="s", is_assumed=True),
                 Column(role="rate", names=("2",), unit="Mbit/s", is_assumed=True)),
        width=2,
    ),
    Format(
        name="named columns",
        kind="bandwidth",
        columns=(Column(role="time", names=_TIMES), Column(role="rate", names=_RATES)),
        is_by_unit=True,
        layouts=("csv", "columns", "jsonl"),
    ),
    Format(
        name="Azure LLM",
        kind="requests",
        columns=(Column(role="time", names=("TIMESTAMP",), unit=CLOCK),
                 Column(role="input", names=("ContextTokens",)),
                 Column(role="output", names=("GeneratedTokens",))),
    ),
    Format(
        name="BurstGPT",
        kind="requests",
        columns=(Column(role="time", names=("timestamp",), unit="s"),
                 Column(role="input", names=("Request tokens",)),
                 Column(role="output", names=("Response tokens",))),
    ),
    Format(
        name="Alibaba GenTD26",
        kind="requests",
        columns=(Column(role="time", names=("timestamp",), unit="s"),
                 Column(role="input", names=("input_length",)),
                 Column(role="output", names=("output_length",))),
        marks=("service_time_s",),
    ),
    Format(
        name="Qwen-Bailian",
        kind="requests",
        columns=(Column(role="time", names=("timestamp",), unit="s"),
                 Column(role="input", names=("input_length",)),
                 Column(role="output", names=("output_length",))),
        layouts=("jsonl",),
        marks=("chat_id",),
    ),
    Format(
        name="Mooncake",
        kind="requests",
        columns=(Column(role="time", names=("timestamp",), unit="ms", is_assumed=True),
                 Column(role="input", names=("input_length",)),
                 Column(role="output", names=("output_length",))),
        layouts=("jsonl",),
    ),
    Format(
        name="named columns",
        kind="requests",
        columns=(Column(role="time", names=_TIMES),
                 Column(role="input", names=_INPUTS),
                 Column(role="output", names=_OUTPUTS)),
        layouts=("csv", "columns", "jsonl"),
        is_by_unit=True,
    ),
)  # fmt: skip
"""In the order in which they are tried: the first that fits is taken."""
