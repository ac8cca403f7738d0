//! How often each run of a line was overtaken, kept so that neither counting one start against everybody older nor
//! finding who has had enough costs more than a logarithm: a tree of maxima with additions left at the inner nodes.
//! It knows nothing of runs; places are indices, the oldest first.

/// A value that no count reaches, for places that are not counted.
const OUT: i64 = i64::MIN / 2;

/// Counts at places `0..len`.
pub(super) struct Tally {
    /// Leaves of the tree; a power of two.
    width: usize,
    /// `highest[node]`: the greatest count below the node, the node's own addition included. Node 1 is the root.
    highest: Vec<i64>,
    /// What is to be added to everything below a node.
    added: Vec<i64>,
}

impl Tally {
    /// `None` stands for a place that is not counted.
    pub(super) fn new(counts: &[Option<u32>]) -> Self {
        let width = counts.len().next_power_of_two();
        let mut highest = vec![OUT; 2 * width];
        for (leaf, count) in highest[width..].iter_mut().zip(counts) {
            *leaf = count.map_or(OUT, i64::from);
        }
        for node in (1..width).rev() {
            highest[node] = highest[2 * node].max(highest[2 * node + 1]);
        }
        Tally {
            width,
            highest,
            added: vec![0; 2 * width],
        }
    }

    /// One more for each counted place before `place`.
    pub(super) fn overtake_all_before(&mut self, place: usize) {
        // Walking up from the boundary, every left neighbour is a subtree that lies wholly before it.
        let mut node = self.width + place;
        while node > 1 {
            if node % 2 == 1 {
                self.added[node - 1] += 1;
                self.highest[node - 1] += 1;
            }
            node /= 2;
            self.refresh(node);
        }
    }

    /// Stops counting at `place` and gives what was counted; `None` when it was not counted (any more).
    pub(super) fn take(&mut self, place: usize) -> Option<u32> {
        let mut node = self.width + place;
        let mut count = self.highest[node];
        self.highest[node] = OUT;
        while node > 1 {
            node /= 2;
            count += self.added[node];
            self.refresh(node);
        }
        // A count is never negative, and `OUT` is so far below that no number of additions lifts it.
        u32::try_from(count.min(i64::from(u32::MAX))).ok()
    }

    /// Some place with a count of at least `bound`.
    pub(super) fn reaching(&self, bound: u32) -> Option<usize> {
        let mut bound = i64::from(bound);
        if self.highest[1] < bound {
            return None;
        }
        let mut node = 1;
        while node < self.width {
            bound -= self.added[node];
            node = if self.highest[2 * node] >= bound {
                2 * node
            } else {
                2 * node + 1
            };
        }
        Some(node - self.width)
    }

    fn refresh(&mut self, node: usize) {
        let below = self.highest[2 * node].max(self.highest[2 * node + 1]);
        self.highest[node] = below + self.added[node];
    }
}
