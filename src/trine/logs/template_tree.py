"""The prefix tree in which `templates.py` keeps its templates, and their neighbours: those that differ in one word."""

from collections.abc import Iterator
from typing import Any

from trine.logs.masking import VALUE, Tokens, count_words, has_words, is_word

_END = ""
"""Key of a template's id in the last node of its path; no token is empty."""


class TemplateTree:
    """Templates in a prefix tree: a node maps a token to the next node, and `_END` to the id of a template."""

    def __init__(self) -> None:
        self.tokens: dict[int, Tokens] = {}
        """The tokens of each template, by id."""
        self.size = 0
        """Number of tokens of all templates."""
        self._root: dict[str, Any] = {}
        self._near: dict[int, int | set[int]] = {}
        """Hash of a template with a value at one position to the id, or all ids, of templates with this hash."""
        self._hashes: dict[int, list[tuple[int, int]]] = {}
        """Id to the positions of its words, each with the hash for `_near`."""

    def find(self, tokens: Tokens) -> int | None:
        """The id of the template that matches the tokens; from the left, an equal word is preferred to a value."""
        node = self._root
        for token in tokens:
            next_ = node.get(token)
            if next_ is None:
                return self._find_with_values(tokens)
            node = next_
        return int(node[_END]) if self._fits(node, tokens) else self._find_with_values(tokens)

    def _find_with_values(self, tokens: Tokens) -> int | None:
        paths = [(self._root, 0)]
        while paths:
            node, position = paths.pop()
            if position == len(tokens):
                if self._fits(node, tokens):
                    return int(node[_END])
                continue
            token = tokens[position]
            if token != VALUE and VALUE in node and is_word(token):
                paths.append((node[VALUE], position + 1))
            if token in node:
                paths.append((node[token], position + 1))
        return None

    def _fits(self, node: dict[str, Any], tokens: Tokens) -> bool:
        """Whether a template ends at this node. One without words is of equal tokens only."""
        return _END in node and (self.tokens[node[_END]] == tokens or has_words(self.tokens[node[_END]]))

    def insert(self, id_: int, tokens: Tokens) -> None:
        """Add a template."""
        node = self._root
        for token in tokens:
            next_ = node.get(token)
            if next_ is None:
                next_ = node[token] = {}
            node = next_
        node[_END] = id_
        self.tokens[id_] = tokens
        self.size += len(tokens)
        self._hashes[id_] = hashes = _near_hashes(tokens)
        for _, near in hashes:
            ids = self._near.get(near)
            if ids is None:
                self._near[near] = id_
            elif isinstance(ids, int):
                self._near[near] = {ids, id_}
            else:
                ids.add(id_)

    def remove(self, id_: int) -> None:
        """Remove a template."""
        tokens = self.tokens.pop(id_)
        self.size -= len(tokens)
        for near in {near for _, near in self._hashes.pop(id_)}:
            ids = self._near[near]
            if isinstance(ids, set) and len(ids) > 1:
                ids.remove(id_)
            else:
                del self._near[near]
        nodes = [self._root]
        for token in tokens:
            nodes.append(nodes[-1][token])
        del nodes[-1][_END]
        for node, token in zip(reversed(nodes[:-1]), reversed(tokens), strict=True):
            if not node[token]:
                del node[token]

    def siblings(self, id_: int) -> Iterator[tuple[int, list[int]]]:
        """Positions at which other templates differ from this one, and nowhere else; with their ids and its own.

        Positions without which the template has no words are left out.
        """
        tokens = self.tokens[id_]
        words = count_words(tokens)
        for position, near in self._hashes[id_]:
            ids = self._near[near]
            if isinstance(ids, set) and len(ids) > 1 and words > (tokens[position] != VALUE):
                equal = [other for other in sorted(ids) if _equal_but(self.tokens[other], tokens, position)]
                if len(equal) > 1:
                    yield position, equal


def _near_hashes(tokens: Tokens) -> list[tuple[int, int]]:
    """The positions of the words, each with a hash of the tokens with a value in its place."""
    hashes = [hash(pair) for pair in enumerate(tokens)]
    total = sum(hashes)
    return [(i, total - hashes[i] + hash((i, VALUE))) for i, token in enumerate(tokens) if is_word(token)]


def _equal_but(tokens: Tokens, others: Tokens, position: int) -> bool:
    """Whether two templates are equal at all other positions."""
    return tokens[:position] == others[:position] and tokens[position + 1 :] == others[position + 1 :]


def with_value(tokens: Tokens, position: int) -> Tokens:
    """The tokens with a value at `position`."""
    return (*tokens[:position], VALUE, *tokens[position + 1 :])
