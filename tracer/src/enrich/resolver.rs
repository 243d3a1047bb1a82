//! Is a name that of a resolver which apps ask in place of the device's own?

use super::layout::{Resolver, ResolverKind};
use super::lookup;
use super::table;

/// How the resolver at a name is asked; the name is in lower case, in A-labels, without a dot at its end. `None` where no list has it.
#[must_use]
pub fn resolver(name: &str) -> Option<ResolverKind> {
    listed(name).map(|resolver| resolver.kind)
}

/// The line that has the name itself, else that of the longest name above it below which all are the resolver's.
pub fn listed(name: &str) -> Option<&'static Resolver<'static>> {
    if !lookup::is_name(name) {
        return None;
    }
    let dots = name.match_indices('.').map(|(at, _)| at + 1);
    std::iter::once(0).chain(dots).find_map(|at| {
        let found = find(name.get(at..)?)?;
        (at == 0 || !found.exact).then_some(found)
    })
}

fn find(name: &str) -> Option<&'static Resolver<'static>> {
    let at = table::RESOLVERS.binary_search_by(|resolver| resolver.name.cmp(name));
    at.ok().map(|at| &table::RESOLVERS[at])
}
