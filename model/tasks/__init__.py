"""What the model is asked to do: `describe` writes a listing's copy, `answer` drafts a reply to a buyer.

A task takes events and an engine and gives an event. Prompts are in `prompts`, how completions are laid out in
`verdict` and `copy_format`, texts that need no model in `templates` and `listing_parts`, names and units in
`attributes`, what both tasks share in `drafting`. An answer goes through `answer_draft` (with `draft_checks`) and
`answer_routing`, a description through `description` (with `copy_policy`). No Kafka, no ClickHouse, no settings:
policies, the clock and the id come from the caller. What a text may claim and contain is decided in `model.guards`.
"""
