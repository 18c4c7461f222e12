"""English that says yes or no, hedges, or says the opposite of a word: what `polarity` looks for."""

from __future__ import annotations

import re

_START = (
    r"\s*(?:well|oh|um|hi|ha|hello|unfortunately|sadly|sorry|honestly|actually|in my opinion|i would say|i['’]d say"
    r"|i believe|i think)?[\s,:\-]*"
)
AUXILIARY = r"(?:does|do|did|is|are|was|were|am|can|could|will|would|should|has|have|had|may|might)"
SUBJECT = r"(?:it|they|this|these|those|that|you|he|she|there|i|we|mine|ours)"
_END = r"(?=\s*(?:[.,;!]|$))"
#: 'No, it is not', but not the no of 'no batteries are included'.
NO_WORD = (
    r"no(?=\s*(?:[.,;:!\-–—(]|$)|\s+(?:it|they|this|these|those|that|you|he|she|there|its|i|we|the|only|just"
    r"|unfortunately|sorry|not|but|a|my|your|in|for)(?![a-z]))"
)
YES = re.compile(
    rf"{_START}(?:(?:yes+|yeah|yep|yup|sure|certainly|absolutely|of course|correct|definitely|indeed|exactly|true)"
    rf"(?![a-z]|\s+not\b)|i (?:believe|think|would think) so\b|{SUBJECT}['’](?:s|re) (?:correct|true|right)\b"
    rf"|{SUBJECT}\s+(?:sure |certainly |definitely |really )?{AUXILIARY}{_END})"
)
NO = re.compile(
    rf"{_START}(?:(?:nope|nah|no way|no sir|no ma['’]?am|not (?:really|at all|unless|that i|to my|in my)"
    rf"|(?:absolutely|definitely|certainly|of course) not)(?![a-z])|{NO_WORD}|not{_END}"
    r"|i (?:don['’]?t|do not) (?:think|believe)\b|i doubt\b"
    rf"|{SUBJECT}\s+(?:{AUXILIARY} not|(?:{AUXILIARY}|wo|ca)n['’]?t|cannot){_END}|{SUBJECT}['’](?:s|re) not{_END})"
)
HEDGE = re.compile(
    r"\b(?:(?:not|un)\s?(?:sure|certain|clear|known)|no (?:idea|information|mention)|maybe|perhaps|might"
    r"|do(?:es)?(?:n['’]?t| not) (?:say|know|state|specify|mention|recall|remember|tell)|not (?:say|stated|mentioned"
    r"|specified)|(?:it|that|this) (?:really |all )?depends?|(?:haven['’]?t|have not|never) (?:tried|used))\b|\?\s*$"
)
#: 'It won't float' denies the verb of the question, whatever else was asked with it.
DENIES = re.compile(rf"{SUBJECT}(?: {AUXILIARY} not|['’]s not|['’]re not| \w+n['’]t| cannot)(?: be| have| come)? (\w+)")
#: What looks like a denial and is none.
IDLE = re.compile(
    r"\b(?:no|without|not a|any) (?:problems?|cost|doubt|trouble|issues?|time|hassle)\b(?! with)"
    r"|\bcan(?:['’]?t|not) wait\b|\bif i['’]?m not mistaken\b|\bor not\b|\bexcept\b(?=.*n['’]t)"
)
#: An aside on what is not in the box.
NOT_INCLUDED = re.compile(r"\([^()]*\b(?:not (?:included?|supplied|provided)|sold separately)\)")
#: An attribute whose value says no; one whose value says nothing.
VALUE_DENIES = re.compile(r":\s*(?:\{\s*value:\s*)?[\"']?(?:false|no|none)\b")
VALUE_EMPTY = re.compile(r":\s*(?:\{\s*value:\s*)?[\"']?-?[\"']?\s*\}?\s*$")

#: Words with their opposites: who asks for the one and hears of the other is told no.
OPPOSITES = tuple(
    (re.compile(rf"\b(?:{one})\b"), re.compile(rf"\b(?:{other})\b"))
    for one, other in (
        ("easy|easily|simple", "hard|difficult|complicated|tricky|struggle"),
        ("soft|softer", "hard|firm|stiff|rigid"),
        ("loud|noisy|noise", "quiet|silent|noiseless"),
        ("big|large|huge|life size", "small|little|tiny|mini|miniature"),
        ("heavy", "light|lightweight"),
        ("sturdy|durable|good quality|well made", "flimsy|cheap|fragile|poor|poorly|breaks?|broke|shoddy|delicate"),
        ("real|authentic|original|genuine", "fake|imitation|replica|knock-?off|plastic"),
        ("safe", "dangerous|unsafe|toxic|hazard"),
        ("outdoors?|outside", "indoors?|inside"),
        ("permanent|permanently", "temporary|washable|removable|washes|peel"),
        ("assembled|put together", "assembly|assemble|put (?:it|them) together"),
        ("close|shut|closed", "open|opened"),
        (
            "included?|includes|come|comes|have",
            "separately|your own|(?:must|need to|have to|should) (?:buy|be (?:bought|purchased)|purchase|provide)",
        ),
        ("stains?|rust|scratch|leak|fade|break|tip", "resistant|proof|stain-free|non-staining"),
        ("scented?|smell", "unscented|odorless|odourless|scent-free"),
        ("wireless|cordless", "wired|corded"),
        ("new|brand new", "used|refurbished|second-?hand"),
        ("boys?", "girls? only|just girls"),
        (
            "alone|solo|one person|by (?:your|him|her|my)self",
            "others?|(?:two|2)(?:[- ]|\\b)players?|other people|partner",
        ),
        ("all|both|every|each|everything", "only|just one|some of"),
        ("any|different|various|choose|pick", "only"),
        ("required?|needs?|necessary|must|mandatory", "optional"),
        ("straight", "curved|bent"),
        ("right side up|stand", "floppy|droop|fall|falls"),
    )
)
