"""How good the drafts, the copy, the ranking and the guards are, on public sets or a merchant's own rows.

`sets` and `listings` read files into typed rows, `attribute_text` turns JSON-like attributes into a seller's words,
`metrics` holds the measures, `bootstrap` their confidence intervals, and one evaluator a question (`answers`, `copy`,
`ranking`, `guards`) makes a `report`. Everything here is pure but for reading its files; nothing here trains, and
nothing here decides what is published.
"""
