"""What of a Terraform plan may be shown? Sensitive values never are, nor are their copies."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Set
from functools import lru_cache
from typing import Any

SENSITIVE = "(sensitive value)"
SENSITIVE_CHANGED = "(sensitive value, changed)"
UNKNOWN = "(known after apply)"

# Shorter sensitive values, such as a port, would hide half a plan.
SECRET_CHARACTERS = 5


def secrets_of(shown: Mapping[str, Any]) -> Set[str]:
    """Every sensitive text of a plan (`terraform show -json`): providers copy them into attributes that nobody
    marked."""
    declared = shown.get("configuration", {}).get("root_module", {}).get("variables", {})
    given = shown.get("variables", {})
    found = {text for name, at in declared.items() if at.get("sensitive") for text in texts(given.get(name), True)}
    changes = [entry.get("change") for entry in shown.get("resource_changes") or [] if isinstance(entry, Mapping)]
    for change in (*changes, *(shown.get("output_changes") or {}).values()):
        found.update(texts(_object(change).get("before"), _object(change).get("before_sensitive")))
        found.update(texts(_object(change).get("after"), _object(change).get("after_sensitive")))
    return found


def scrubbed(value: Any, secrets: Set[str]) -> Any:
    """The value with every secret text in it replaced, however it is spelled."""
    if isinstance(value, str):
        return _scrubbing(frozenset(secrets))(value)
    if isinstance(value, dict):
        return {scrubbed(key, secrets): scrubbed(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [scrubbed(item, secrets) for item in value]
    return SENSITIVE if _number(value) in secrets else value


def replacing(words: Mapping[str, str]) -> Callable[[str], str]:
    """Replaces all of the words in one go, the longest first: no word is looked for in what another left."""
    longest_first = sorted(words, key=len, reverse=True)

    def replace(text: str) -> str:
        found = [word for word in longest_first if word in text]
        return re.sub("|".join(map(re.escape, found)), lambda match: words[match[0]], text) if found else text

    return replace


@lru_cache(maxsize=16)
def _scrubbing(secrets: frozenset[str]) -> Callable[[str], str]:
    return replacing({spelled: SENSITIVE for secret in secrets for spelled in spellings(secret)})


def spellings(text: str) -> tuple[str, ...]:
    """The text, and how it stands in a string of JSON, and in one of JSON within JSON."""
    once = dict.fromkeys((text, *_in_json(text)))
    return tuple(dict.fromkeys((*once, *(each for part in once for each in _in_json(part)))))


def _in_json(text: str) -> Iterator[str]:
    for only_ascii in (False, True):
        inner = json.dumps(text, ensure_ascii=only_ascii)[1:-1]
        yield inner
        # Go's encoding/json, and so Terraform's jsonencode, writes these so that HTML can hold them.
        yield inner.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def masked(value: Any, hidden: Any, earlier: Any) -> Any:
    """The value with what is `hidden` replaced by a word that still tells whether it differs from the `earlier` one.

    `hidden` is `true` or has the value's own shape (Terraform: `before_sensitive`, `after_sensitive`).
    """
    if hidden is True:
        return SENSITIVE if value == earlier else SENSITIVE_CHANGED
    if isinstance(value, dict) and isinstance(hidden, dict):
        old = earlier if isinstance(earlier, dict) else {}
        return {key: masked(item, hidden.get(key), old.get(key)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(hidden, list):
        old_items = earlier if isinstance(earlier, list) else []
        return [masked(item, item_of(hidden, index), item_of(old_items, index)) for index, item in enumerate(value)]
    return value


def item_of(items: Any, index: int) -> Any:
    """The item at that place, None where there is none."""
    return items[index] if isinstance(items, list) and index < len(items) else None


def texts(value: Any, hidden: Any) -> Iterator[str]:
    """The texts and numbers in a value that are hidden, and long enough to be told from others."""
    if text := value if isinstance(value, str) else _number(value):
        if hidden is True and len(text) >= SECRET_CHARACTERS:
            yield text
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts(item, hidden if hidden is True else _object(hidden).get(key))
    elif isinstance(value, list):
        marks = hidden if isinstance(hidden, list) else []
        for index, item in enumerate(value):
            yield from texts(item, hidden if hidden is True else item_of(marks, index))


def _number(value: Any) -> str:
    """A number as it stands in a text; nothing for anything else."""
    return json.dumps(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
