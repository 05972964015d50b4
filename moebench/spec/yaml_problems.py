"""Explain why a file is no YAML, in words that point to the mistake."""

import re

import yaml

_INDENTATION = "the line is not indented like the lines around it, or a key or a dash stands where none can"
TAG = "tags with '!' are not taken; write the value alone"
_SENTENCES = (
    (r"could not find expected ':'", "a key has no colon behind it, or a quote or bracket before it is not closed"),
    (r"mapping values are not allowed", "a colon stands where no value can begin; a text with ': ' in it needs quotes"),
    (r"expected ',' or '\]'", "a list in brackets is not closed, or lacks a comma"),
    (r"expected ',' or '\}'", "a mapping in braces is not closed, or lacks a comma"),
    (r"found character '\\t'", "a tab stands where only spaces may"),
    (r"found character '(.+)' that cannot", r"a text cannot begin with {} unless it stands in quotes"),
    (r"undefined alias '(.+)'", r"the alias *{0} has no anchor &{0} before it"),
    (r"duplicate anchor '(.+)'", r"the anchor &{} occurs twice"),
    (
        r"another document|single document|document start|document separator",
        "a second document begins; a suite is one document",
    ),
    (r"unexpected end of stream", "a quote is not closed"),
    (r"unknown escape character|escape sequence", "a backslash in double quotes begins no known character; use '...'"),
    (r"special characters are not allowed", "it holds a control character"),
    (r"expected the node content", "a value is missing before a bracket or comma, or one bracket too many is closed"),
    (r"incompatible YAML|directive", "lines that begin with % are not taken; leave the line out"),
    (r"tag|URI|'!'", TAG),
    (r"indentation indicator|chomping|comment or a line break", "a text behind | or > begins on the next line"),
    (r"alphabetic or numeric character", "an anchor or alias (& or *) lacks its name; a text with it needs quotes"),
    (r"block end|indentation|mapping keys|sequence entries", _INDENTATION),
)
"""Parts of PyYAML's messages, and their replacements; the first match counts."""
_OTHERWISE = "brackets, quotes, colons or indentation do not fit together"


def sentence(error: yaml.YAMLError) -> str:
    """Return why a text is no YAML, without a full stop at its end."""
    if isinstance(error, yaml.MarkedYAMLError):
        problem = error.problem or error.context or ""
    else:
        problem = getattr(error, "reason", "")
    for pattern, words in _SENTENCES:
        if found := re.search(pattern, problem):
            return words.format(*found.groups())
    return _OTHERWISE


def line(error: yaml.YAMLError, text: str) -> int:
    """Return the line, counted from 1, in which the mistake began."""
    if isinstance(error, yaml.MarkedYAMLError):
        # An unclosed bracket or quote is found at the end of the file, but must be corrected in the line that opens it.
        unclosed = error.context_mark if "expected ','" in str(error.problem) or "end of stream" in str(error) else None
        mark = unclosed or error.problem_mark or error.context_mark
        return mark.line + 1 if mark else 1
    position = getattr(error, "position", 0)
    return 1 + text.count("\n", 0, position if isinstance(position, int) else 0)
