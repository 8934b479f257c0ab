"""Connected components of things that pairs connect."""

import numpy as np


class Components:
    """The connected components of places; when two join, the smaller takes the label of the larger."""

    def __init__(self, count: int) -> None:
        """Start with each of `count` places alone."""
        self.label = np.arange(count)
        self._members: dict[int, list[int]] = {}

    def join(self, one: int, other: int) -> None:
        """Join the components of two places."""
        labels = int(self.label[one]), int(self.label[other])
        if labels[0] == labels[1]:
            return
        parts = [self._members.pop(label, [label]) for label in labels]
        larger = int(len(parts[1]) > len(parts[0]))
        self.label[parts[1 - larger]] = labels[larger]
        self._members[labels[larger]] = parts[larger] + parts[1 - larger]

    def groups(self) -> list[list[int]]:
        """Return the components of several places, the largest first, each with its places ascending."""
        return sorted((sorted(part) for part in self._members.values()), key=lambda part: (-len(part), part))
