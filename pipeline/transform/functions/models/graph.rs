//! Connected and strongly connected components of a graph of strings.

use std::collections::HashMap;

/// A vertex with the component it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    pub id: &'a str,
    /// The component's name.
    pub component: &'a str,
    /// The number of vertices in the component.
    pub size: u64,
}

/// Strings, each kept once, by number in order of arrival.
#[derive(Debug, Clone, Default)]
pub struct Names {
    numbers: HashMap<Box<str>, u32>,
    bytes: usize,
}

/// More than 2^32 - 1 distinct strings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("more than 4,294,967,295 ids in one graph")]
pub struct TooManyNames;

impl Names {
    /// Returns the number of a string, a new one if it was not known.
    pub fn number(&mut self, name: &str) -> Result<u32, TooManyNames> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = u32::try_from(self.numbers.len()).map_err(|_| TooManyNames)?;
        self.bytes += name.len();
        self.numbers.insert(name.into(), number);
        Ok(number)
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Returns the strings by number.
    pub fn by_number(&self) -> Vec<&str> {
        let mut names = vec![""; self.numbers.len()];
        for (name, number) in &self.numbers {
            names[*number as usize] = name;
        }
        names
    }

    /// Returns the memory in use, roughly, in bytes.
    pub fn size(&self) -> usize {
        self.bytes + self.numbers.capacity() * (size_of::<(Box<str>, u32)>() + 1)
    }
}

/// Links between aliases and customers, joined as they come (union-find with path halving and union by size).
#[derive(Debug, Clone, Default)]
pub struct Identities {
    names: Names,
    parents: Vec<u32>,
    sizes: Vec<u32>,
    /// Whether a vertex has ever stood on the customer's side.
    is_customer: Vec<bool>,
}

impl Identities {
    /// Joins an alias and a customer.
    pub fn link(&mut self, alias: &str, customer: &str) -> Result<(), TooManyNames> {
        let alias = self.vertex(alias)?;
        let customer = self.vertex(customer)?;
        self.is_customer[customer as usize] = true;
        self.join(alias, customer);
        Ok(())
    }

    /// Joins two vertices that another instance found to be of one component, and says whether the first is a customer.
    pub fn absorb(&mut self, id: &str, same_as: &str, is_customer: bool) -> Result<(), TooManyNames> {
        let id = self.vertex(id)?;
        let same_as = self.vertex(same_as)?;
        self.is_customer[id as usize] |= is_customer;
        self.join(id, same_as);
        Ok(())
    }

    /// Returns every vertex with another of its component and whether it is a customer: what `absorb` takes.
    pub fn state(&self) -> Vec<(&str, &str, bool)> {
        let names = self.names.by_number();
        let vertices = names.iter().zip(&self.parents).zip(&self.is_customer);
        vertices.map(|((name, parent), is_customer)| (*name, names[*parent as usize], *is_customer)).collect()
    }

    /// Returns all vertices in byte order. A component is named by its smallest vertex that has stood on the customer's
    /// side; an id that is only an alias never names one.
    pub fn components(&mut self) -> Vec<Member<'_>> {
        let roots: Vec<u32> = (0..self.parents.len() as u32).map(|vertex| self.root(vertex)).collect();
        let names = self.names.by_number();
        let mut winners: Vec<Option<&str>> = vec![None; names.len()];
        for (vertex, name) in names.iter().enumerate().filter(|(vertex, _)| self.is_customer[*vertex]) {
            let winner = &mut winners[roots[vertex] as usize];
            *winner = Some(winner.map_or(*name, |smallest| smallest.min(name)));
        }
        let mut members: Vec<Member<'_>> = names
            .iter()
            .zip(&roots)
            .map(|(name, root)| Member {
                id: name,
                component: winners[*root as usize].unwrap_or(name),
                size: u64::from(self.sizes[*root as usize]),
            })
            .collect();
        members.sort_unstable_by_key(|member| member.id);
        members
    }

    /// Returns the memory in use, roughly, in bytes.
    pub fn size(&self) -> usize {
        self.names.size() + self.parents.capacity() * 9
    }

    fn vertex(&mut self, name: &str) -> Result<u32, TooManyNames> {
        let number = self.names.number(name)?;
        if number as usize == self.parents.len() {
            self.parents.push(number);
            self.sizes.push(1);
            self.is_customer.push(false);
        }
        Ok(number)
    }

    fn root(&mut self, mut vertex: u32) -> u32 {
        while self.parents[vertex as usize] != vertex {
            let grandparent = self.parents[self.parents[vertex as usize] as usize];
            self.parents[vertex as usize] = grandparent;
            vertex = grandparent;
        }
        vertex
    }

    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.root(one), self.root(other));
        if one == other {
            return;
        }
        let (small, large) =
            if self.sizes[one as usize] < self.sizes[other as usize] { (one, other) } else { (other, one) };
        self.parents[small as usize] = large;
        self.sizes[large as usize] += self.sizes[small as usize];
    }
}

/// Directed edges between named vertices.
#[derive(Debug, Clone, Default)]
pub struct Arrows {
    names: Names,
    edges: Vec<(u32, u32)>,
    /// Edges up to here are sorted and distinct.
    settled: usize,
}

impl Arrows {
    /// Adds an edge; a repeated one changes nothing.
    pub fn add(&mut self, from: &str, to: &str) -> Result<(), TooManyNames> {
        let edge = (self.names.number(from)?, self.names.number(to)?);
        self.edges.push(edge);
        if self.edges.len() > 2 * self.settled + 4096 {
            self.settle();
        }
        Ok(())
    }

    /// Returns the distinct edges.
    pub fn edges(&mut self) -> Vec<(&str, &str)> {
        self.settle();
        let names = self.names.by_number();
        self.edges.iter().map(|(from, to)| (names[*from as usize], names[*to as usize])).collect()
    }

    /// Returns all vertices in byte order with their strongly connected component, named by its smallest vertex.
    pub fn strong_components(&mut self) -> Vec<Member<'_>> {
        self.settle();
        let components = strong_components(self.names.len(), &self.edges);
        let names = self.names.by_number();
        let mut winners: Vec<Option<&str>> = vec![None; names.len()];
        let mut sizes = vec![0_u64; names.len()];
        for (name, component) in names.iter().zip(&components) {
            let winner = &mut winners[*component as usize];
            *winner = Some(winner.map_or(*name, |smallest| smallest.min(name)));
            sizes[*component as usize] += 1;
        }
        let mut members: Vec<Member<'_>> = names
            .iter()
            .zip(&components)
            .map(|(name, component)| Member {
                id: name,
                component: winners[*component as usize].unwrap_or(name),
                size: sizes[*component as usize],
            })
            .collect();
        members.sort_unstable_by_key(|member| member.id);
        members
    }

    /// Returns the memory in use, roughly, in bytes.
    pub fn size(&self) -> usize {
        self.names.size() + self.edges.capacity() * size_of::<(u32, u32)>()
    }

    fn settle(&mut self) {
        self.edges.sort_unstable();
        self.edges.dedup();
        self.settled = self.edges.len();
    }
}

/// Numbers the strongly connected component of each vertex; `edges` are sorted.
///
/// Tarjan's algorithm (Depth-first search and linear graph algorithms, 1972) with a stack of its own, since a chain of
/// referrals can be longer than a thread's stack is deep.
fn strong_components(vertices: usize, edges: &[(u32, u32)]) -> Vec<u32> {
    const UNSEEN: u32 = u32::MAX;
    let mut starts = vec![0_usize; vertices + 1];
    for (from, _) in edges {
        starts[*from as usize + 1] += 1;
    }
    for vertex in 0..vertices {
        starts[vertex + 1] += starts[vertex];
    }
    let mut order = vec![UNSEEN; vertices];
    let mut lowest = vec![UNSEEN; vertices];
    let mut component = vec![UNSEEN; vertices];
    let mut open: Vec<u32> = Vec::new();
    let mut path: Vec<(u32, usize)> = Vec::new();
    let (mut seen, mut found) = (0, 0);
    for root in 0..vertices as u32 {
        if order[root as usize] != UNSEEN {
            continue;
        }
        path.push((root, starts[root as usize]));
        while let Some((vertex, edge)) = path.pop() {
            let here = vertex as usize;
            if order[here] == UNSEEN {
                order[here] = seen;
                lowest[here] = seen;
                seen += 1;
                open.push(vertex);
            }
            if edge < starts[here + 1] {
                path.push((vertex, edge + 1));
                let next = edges[edge].1 as usize;
                if order[next] == UNSEEN {
                    path.push((edges[edge].1, starts[next]));
                } else if component[next] == UNSEEN {
                    lowest[here] = lowest[here].min(order[next]);
                }
                continue;
            }
            if lowest[here] == order[here] {
                while let Some(member) = open.pop() {
                    component[member as usize] = found;
                    if member == vertex {
                        break;
                    }
                }
                found += 1;
            }
            if let Some((parent, _)) = path.last() {
                let parent = *parent as usize;
                lowest[parent] = lowest[parent].min(lowest[here]);
            }
        }
    }
    component
}
