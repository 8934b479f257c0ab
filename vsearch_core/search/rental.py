"""When to start an engine that answers faster, but takes its time to start."""

from dataclasses import dataclass


@dataclass(slots=True)
class Rental:
    """Rent or buy: work without the engine until that would have cost as much as its start, then start it.

    Whatever is asked later, this costs at most twice what it would have cost had that been known (ski rental,
    Karlin et al., Algorithmica 1988).
    """

    price: int
    spent: int = 0

    def buys(self, cost: int) -> bool:
        """Whether, with so much to do, it is time to start the engine; if not, the cost is counted."""
        if self.spent + cost <= self.price:
            self.spent += cost
            return False
        self.spent = self.price
        return True
