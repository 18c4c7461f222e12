"""The report on one merchant: what is asked of ClickHouse, what of it becomes a chart, and the page.

The page is one HTML file without scripts: charts are drawn here, as SVG, and nothing is loaded when it is opened.
What a roll-up is lives in `consumers/clickhouse/migrations`; the command line lives in `tradewind/cli/report.py`.
"""
