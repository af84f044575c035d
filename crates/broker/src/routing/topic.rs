//! Topic exchanges: a trie of words.
//!
//! A key is followed through the trie word by word with the set of all nodes that patterns could be at, as an automaton
//! is. A recursive search would be shorter, but several `#` in one pattern would make it take exponential time.

use hashbrown::HashMap;

use super::{Destination, Route, targets::Targets};

/// A node of the trie: an index into `Trie::nodes`.
pub(super) type NodeId = u32;

const ROOT: NodeId = 0;

/// The patterns of a topic exchange.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    free: Vec<NodeId>,
}

/// What is left to match after the words that lead here.
#[derive(Debug, Default)]
struct Node {
    /// For a word as it stands.
    words: HashMap<Box<[u8]>, NodeId>,
    /// For `*`.
    any: Option<NodeId>,
    /// For `#`.
    rest: Option<NodeId>,
    /// Bindings whose pattern ends here.
    targets: Targets,
}

impl Node {
    fn is_unused(&self) -> bool {
        self.words.is_empty()
            && self.any.is_none()
            && self.rest.is_none()
            && self.targets.is_empty()
    }

    fn child(&self, word: &[u8]) -> Option<NodeId> {
        match word {
            b"*" => self.any,
            b"#" => self.rest,
            word => self.words.get(word).copied(),
        }
    }
}

/// Where a search stands. Kept between messages for its memory.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Nodes reached with the words so far.
    now: Vec<NodeId>,
    /// Nodes that will have been reached after the word at hand.
    next: Vec<NodeId>,
    /// Nodes of `#` that were reached: once reached, they stay.
    rests: Vec<NodeId>,
}

impl Search {
    /// Puts a node into the set for the next step, and what `#` makes of it when it stands for no words.
    fn reach(&mut self, trie: &Trie, node: NodeId) {
        let mut rest = trie.nodes[node as usize].rest;
        self.next.push(node);
        // A node of `#` has no child for `#`: see `words`. So this goes one step deep.
        if let Some(found) = rest.take()
            && !self.rests.contains(&found)
        {
            self.rests.push(found);
        }
    }
}

/// The words of a key; an empty key has none.
fn split(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    key.split(|byte| *byte == b'.')
        .take(if key.is_empty() { 0 } else { usize::MAX })
}

/// The words of a pattern, several `#` in a row as the one `#` they amount to.
fn words(pattern: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut after_rest = false;
    split(pattern).filter(move |word| {
        let rest = *word == b"#";
        let keep = !(rest && after_rest);
        after_rest = rest;
        keep
    })
}

impl Default for Trie {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            free: Vec::new(),
        }
    }
}

impl Trie {
    pub(super) fn add(&mut self, pattern: &[u8], destination: Destination) {
        let mut at = ROOT;
        for word in words(pattern) {
            at = match self.nodes[at as usize].child(word) {
                Some(child) => child,
                None => self.grow(at, word),
            };
        }
        self.nodes[at as usize].targets.add(destination);
    }

    fn grow(&mut self, parent: NodeId, word: &[u8]) -> NodeId {
        let child = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(Node::default());
            NodeId::try_from(self.nodes.len() - 1)
                .expect("nodes do not outnumber the bytes of bindings in memory")
        });
        let parent = &mut self.nodes[parent as usize];
        match word {
            b"*" => parent.any = Some(child),
            b"#" => parent.rest = Some(child),
            word => {
                parent.words.insert(word.into(), child);
            }
        }
        child
    }

    pub(super) fn remove(&mut self, pattern: &[u8], destination: Destination) {
        let mut path = vec![];
        let mut at = ROOT;
        for word in words(pattern) {
            let Some(child) = self.nodes[at as usize].child(word) else {
                return;
            };
            path.push((at, word));
            at = child;
        }
        self.nodes[at as usize].targets.remove(destination);
        // Branches that lead to no binding go, or churning patterns would fill the memory.
        while let Some((parent, word)) = path.pop() {
            if !self.nodes[at as usize].is_unused() {
                break;
            }
            self.nodes[at as usize] = Node::default();
            self.free.push(at);
            let node = &mut self.nodes[parent as usize];
            match word {
                b"*" => node.any = None,
                b"#" => node.rest = None,
                word => {
                    node.words.remove(word);
                }
            }
            at = parent;
        }
    }

    pub(super) fn collect(&self, key: &[u8], route: &mut Route) {
        let mut search = std::mem::take(&mut route.search);
        search.next.clear();
        search.rests.clear();
        search.reach(self, ROOT);
        for word in split(key) {
            std::mem::swap(&mut search.now, &mut search.next);
            search.next.clear();
            // Nodes of `#` reached while this word is taken stand for words after it, not for this one.
            let rests = search.rests.len();
            for i in 0..search.now.len() {
                self.step(search.now[i], word, &mut search);
            }
            for i in 0..rests {
                self.step(search.rests[i], word, &mut search);
            }
            if search.next.is_empty() && search.rests.is_empty() {
                break;
            }
        }
        for node in search.next.iter().chain(&search.rests) {
            self.nodes[*node as usize].targets.collect(route);
        }
        route.search = search;
    }

    fn step(&self, from: NodeId, word: &[u8], search: &mut Search) {
        let node = &self.nodes[from as usize];
        if let Some(any) = node.any {
            search.reach(self, any);
        }
        if !node.words.is_empty()
            && let Some(child) = node.words.get(word)
        {
            search.reach(self, *child);
        }
    }

    /// How many nodes are in use, for tests of memory.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }
}
