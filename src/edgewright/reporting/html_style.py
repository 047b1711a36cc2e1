"""Hold the style sheet of pages, for wide screens, narrow ones and paper.

A table that fits stands as it is, with its first column fixed while the rest moves. On a page below
``NARROW`` every row becomes a card of its own, with each number under its heading, so nothing is
beyond an edge. Text is never smaller than 12 pixels.
"""

from __future__ import annotations

NARROW = 860
"""Pixels below which the rows of tables become cards."""

_SCREEN = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--page:#fff;--panel:#f4f6f8;
--rule:#d5dbe1;--link:#005a9c;--mark:#e6f1fa}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8ec;--soft:#9aa5b1;--page:#14181d;
--panel:#1d232a;--rule:#36404a;--link:#7cc0f2;--mark:#17324a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:84rem;padding:1.5rem 1.25rem 4rem;background:var(--page);
color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.9rem;line-height:1.2;margin:.5rem 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.3rem;margin:2.5rem 0 .5rem;padding-top:.75rem;border-top:1px solid var(--rule)}
p{max-width:44rem;overflow-wrap:anywhere}.subtitle{color:var(--soft);font-size:1.1rem;margin-top:0}
a{color:var(--link)}.anchor{margin-left:.4em;text-decoration:none;opacity:0}
h2:hover .anchor,.anchor:focus{opacity:1}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.6rem 1.5rem;
margin:1rem 0}
dt{color:var(--soft);font-size:.8rem}dd{margin:0;overflow-wrap:anywhere}
.made{color:var(--soft);font-size:.8rem;margin:0}
pre{background:var(--panel);border:1px solid var(--rule);border-radius:6px;padding:.6rem .8rem;
overflow-x:auto;font-size:.85rem;margin:.25rem 0 1rem}
pre.command{white-space:pre-wrap;overflow-wrap:anywhere}
code{font-family:ui-monospace,"Cascadia Mono",Menlo,Consolas,monospace;font-size:.92em}
nav ol{columns:18rem;padding-left:1.4rem}
.scroll,.card{overflow-x:auto}.scroll{margin:1rem 0}
table{border-collapse:collapse;font-size:.92rem;min-width:min(100%,28rem)}
caption{text-align:left;color:var(--soft);font-size:.88rem;padding-bottom:.4rem;max-width:44rem}
th,td{padding:.32rem .5rem;border-bottom:1px solid var(--rule);white-space:nowrap}
thead th{border-bottom:2px solid var(--soft);vertical-align:bottom;white-space:normal;
line-height:1.25}
th:first-child,td:first-child{position:sticky;left:0;background:var(--page);min-width:6.5rem;
max-width:16rem;white-space:normal;overflow-wrap:break-word}
.num{text-align:right;font-variant-numeric:tabular-nums}.text{text-align:left}
td.wrap{white-space:normal;min-width:11rem;vertical-align:top}
.interval{display:block;color:var(--soft);font-size:.8rem;line-height:1.2}
.unit{color:var(--soft);font-weight:400}.chosen,.chosen td:first-child{background:var(--mark)}
figure{margin:1.5rem 0}.card{background:#fff;border-radius:6px;padding:.5rem;width:fit-content;
max-width:100%}
.card svg{display:block;max-width:100%;height:auto}
figcaption{color:var(--soft);font-size:.88rem;margin-top:.4rem;max-width:44rem}
summary{cursor:pointer;color:var(--link)}
"""

_CARDS = """
@media screen and (max-width:@NARROW@px){body{padding:1rem .75rem 3rem}
table,tbody,caption{display:block}thead{position:absolute;width:1px;height:1px;overflow:hidden;
clip-path:inset(50%)}
tbody tr{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.5rem 1rem;
border:1px solid var(--rule);border-radius:6px;padding:.6rem .75rem;margin-bottom:.75rem}
td,td.num,td.wrap{padding:0;border:0;text-align:left;white-space:normal;min-width:0;overflow-wrap:anywhere}
td:first-child{grid-column:1/-1;position:static;max-width:none;font-weight:600;background:none}
td:not(:first-child)::before{content:attr(data-label);display:block;color:var(--soft);
font-size:.8rem;line-height:1.25}
.chosen td:first-child{background:none}}
""".replace("@NARROW@", str(NARROW))

_PAPER = """
@media print{:root{color-scheme:light;--ink:#000;--soft:#444;--page:#fff;--panel:#fff;--rule:#bbb;
--link:#000;--mark:#eee}body{max-width:none;padding:0;font-size:10.5pt}.anchor{display:none}
figure,tr{break-inside:avoid}h2{break-after:avoid}pre{white-space:pre-wrap}
.scroll,.card{overflow:visible}.card svg{min-width:0!important}
details::details-content{content-visibility:visible;height:auto}}
"""

STYLE = _SCREEN + _CARDS + _PAPER

__all__ = ["NARROW", "STYLE"]
