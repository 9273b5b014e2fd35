"""The style and the template of reports. They stand in code, so that frozen programs and zip files have them, too."""

from __future__ import annotations

from typing import Final

# What prints is light, whatever the screen is.
STYLE: Final = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f4f6f8; --text: #1b1f24; --quiet: #555f6a; --line: #c9d0d8;
  --bar: #2f6f9f; --link: #0b5cad; --note: #fff6d6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14181d; --raised: #1e242b; --text: #e6e9ec; --quiet: #a9b3bd; --line: #3c4650;
    --bar: #6db3e8; --link: #8cc3ff; --note: #3a3212;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 96rem; padding: 1rem 1.5rem 3rem; background: var(--ground); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.9rem; line-height: 1.2; margin: 1rem 0; }
h2 { font-size: 1.35rem; margin: 2.5rem 0 0.5rem; }
a { color: var(--link); }
a:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -999rem; }
.skip:focus { position: static; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1.5rem; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
.notes { background: var(--note); border-left: 0.3rem solid var(--bar); margin: 1rem 0; padding: 0.5rem 1rem; }
.notes ul { margin: 0; padding-left: 1.2rem; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.3rem 1.5rem; list-style: none; padding: 0; }
section > p { max-width: 50rem; }
.pair { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1rem 2rem; margin: 1.5rem 0; }
.pair > svg { flex: 0 1 40rem; min-width: 0; height: auto; }
.pair > .scroll { flex: 0 1 auto; max-width: 100%; }
svg rect { fill: var(--bar); }
svg line { stroke: var(--quiet); }
svg text { fill: var(--text); font-size: 13px; unicode-bidi: plaintext; }
@media (max-width: 40rem) { svg { display: none; } }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: 0.4rem; }
th, td { padding: 0.25rem 0.9rem 0.25rem 0; text-align: left; vertical-align: top; }
th, td { border-bottom: 1px solid var(--line); }
thead th { white-space: nowrap; background: var(--raised); border-bottom: 2px solid var(--line); }
tbody th { font-weight: 400; min-width: 11rem; }
tbody bdi { display: inline-block; max-width: 24rem; overflow-wrap: break-word; }
th:first-child { padding-left: 0.5rem; }
.n { text-align: right; white-space: nowrap; }
.none { color: var(--quiet); }
footer { margin-top: 3rem; border-top: 1px solid var(--line); color: var(--quiet); }
@media print {
  :root {
    color-scheme: light;
    --ground: #ffffff; --raised: #ffffff; --text: #000000; --quiet: #444444; --line: #999999;
    --bar: #444444; --link: #000000; --note: #ffffff;
  }
  body { max-width: none; padding: 0; font-size: 9pt; }
  nav, .skip { display: none; }
  .scroll { overflow: visible; }
  .pair { display: block; }
  thead { display: table-header-group; }
  tr, svg { break-inside: avoid; }
  h2, caption { break-after: avoid; }
}
"""

TEMPLATE: Final = """\
{% macro bars(chart) %}
<svg role="img" aria-label="{{ chart.label }}" viewBox="0 0 720 {{ chart.bars | length * 24 + 8 }}" width="720">
{% for bar in chart.bars %}
<text x="200" y="{{ loop.index0 * 24 + 20 }}" text-anchor="end">{{ bar.label }}</text>
<rect x="{{ bar.left }}" y="{{ loop.index0 * 24 + 7 }}" width="{{ bar.width }}" height="18"></rect>
<text x="{{ bar.left + bar.width + 6 }}" y="{{ loop.index0 * 24 + 20 }}">{{ bar.value }}</text>
{% endfor %}
<line x1="{{ chart.zero }}" x2="{{ chart.zero }}" y1="2" y2="{{ chart.bars | length * 24 + 6 }}"></line>
</svg>
{% endmacro %}
{% macro rows(table, shown) %}
<div class="scroll" role="group" tabindex="0" aria-labelledby="table-{{ table.name }}">
<table>
<caption id="table-{{ table.name }}">{{ table.caption }}</caption>
<thead><tr>
{% for column, heading in shown.columns %}
<th scope="col"{% if column.is_number %} class="n"{% endif %}>{{ heading }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for row in shown.rows %}
<tr>
{% for cell in row %}
{% set column = table.columns[loop.index0] %}
{% if loop.first %}
<th scope="row"><bdi{% if cell is none %} class="none"{% endif %}>{{ unknown if cell is none else cell }}</bdi></th>
{% elif cell is none %}
<td class="none{% if column.is_number %} n{% endif %}">{{ unknown }}</td>
{% elif column.is_number %}
<td class="n">{{ cell }}</td>
{% else %}
<td><bdi>{{ cell }}</bdi></td>
{% endif %}
{% endfor %}
</tr>
{% else %}
<tr><th scope="row">none</th><td colspan="{{ table.columns | length - 1 }}"></td></tr>
{% endfor %}
</tbody>
</table>
{% for note in shown.notes %}
<p>{{ note }}</p>
{% endfor %}
{% if shown.csv %}
<p>All of it is in <a href="{{ shown.href }}">{{ shown.csv }}</a>.</p>
{% endif %}
</div>
{% endmacro %}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '{{ style_hash }}'; \
base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>{{ report.title }}</title>
<style>{{ style }}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<h1><bdi>{{ report.title }}</bdi></h1>
<dl>
{% for name, text in report.facts %}
<dt>{{ name }}</dt><dd><bdi>{{ text }}</bdi></dd>
{% endfor %}
</dl>
</header>
{% if report.sections | length > 1 %}
<nav aria-label="Sections">
<ul>
{% for section in report.sections %}
<li><a href="#section-{{ loop.index }}">{{ section.heading }}</a></li>
{% endfor %}
</ul>
</nav>
{% endif %}
<main id="content" tabindex="-1">
{% if report.notes %}
<div class="notes" role="note" aria-label="Before you read the numbers">
<ul>
{% for note in report.notes %}
<li>{{ note }}</li>
{% endfor %}
</ul>
</div>
{% endif %}
{% for section in report.sections %}
<section aria-labelledby="section-{{ loop.index }}">
<h2 id="section-{{ loop.index }}">{{ section.heading }}</h2>
{% for text in section.texts %}
<p>{{ text }}</p>
{% endfor %}
{% for table in section.tables %}
{% set shown = page[table.name] %}
<div class="pair">
{% if shown.chart %}
{{ bars(shown.chart) }}
{% endif %}
{{ rows(table, shown) }}
</div>
{% endfor %}
</section>
{% endfor %}
</main>
<footer>
<p>Written by {{ tool }}. It sends nothing and loads nothing: all of it is in this file\
{% if page.values() | selectattr("csv") | list %} and the CSV files beside it{% endif %}.</p>
</footer>
</body>
</html>
"""
