//! Does each line of the overlay have its source, and each source its address and its day?

use std::collections::HashSet;

use super::is_day;
use super::overlay::{Overlay, Source};

pub fn check(overlay: &Overlay) -> Result<(), String> {
    let mut sources = HashSet::new();
    for source in &overlay.sources {
        if !sources.insert(source.id.as_str()) {
            return Err(format!(
                "data/sources.toml: the source {:?} is there twice",
                source.id
            ));
        }
        if let Some(fault) = fault(source) {
            return Err(format!(
                "data/sources.toml: the source {:?} {fault}",
                source.id
            ));
        }
    }
    let mut entities = HashSet::new();
    for entity in &overlay.entities {
        if !entities.insert(entity.id.as_str()) {
            return Err(format!(
                "data/entities.toml: {:?} is there twice",
                entity.id
            ));
        }
    }
    lines_have_sources(overlay, &sources)?;
    for ownership in &overlay.ownerships {
        let days = [&ownership.from, &ownership.to];
        if let Some(day) = days.into_iter().find(|day| !day.is_empty() && !is_day(day)) {
            return Err(format!(
                "data/entities.toml: {day:?} is no day like 2026-11-28"
            ));
        }
    }
    let owned = overlay
        .ownerships
        .iter()
        .flat_map(|line| [&line.child, &line.parent]);
    let of_networks = overlay.networks.iter().map(|line| &line.entity);
    let of_networks = of_networks.chain(overlay.anycasts.iter().map(|line| &line.entity));
    let of_names = overlay.domains.iter().map(|line| &line.entity);
    let mut used = owned.chain(of_names).chain(of_networks);
    if let Some(entity) = used.find(|entity| !entities.contains(entity.as_str())) {
        return Err(format!("data: {entity:?} is no entity of entities.toml"));
    }
    let mut numbers = HashSet::new();
    if let Some(line) = overlay
        .networks
        .iter()
        .find(|line| line.asn == 0 || !numbers.insert(line.asn))
    {
        return Err(format!(
            "data/networks.toml: {} is there twice, or no number of a network",
            line.asn
        ));
    }
    if let Some(line) = overlay
        .excludes
        .iter()
        .find(|line| line.because.trim().is_empty())
    {
        return Err(format!(
            "data/domains.toml: {:?} is not taken, and nothing says why",
            line.name
        ));
    }
    Ok(())
}

fn fault(source: &Source) -> Option<&'static str> {
    if !is_day(&source.read) {
        Some("has no day it was read, like 2026-11-28")
    } else if !source.date.is_empty() && !is_day(&source.date) {
        Some("has a date that is no day like 2026-11-28")
    } else if !source.address.starts_with("https://") && !source.address.starts_with("http://") {
        Some("has no address")
    } else if source.says.trim().is_empty() || source.title.trim().is_empty() {
        Some("does not tell what it says")
    } else {
        None
    }
}

fn lines_have_sources(overlay: &Overlay, sources: &HashSet<&str>) -> Result<(), String> {
    let mut named: Vec<(&String, &String)> = Vec::new();
    named.extend(overlay.entities.iter().map(|line| (&line.id, &line.source)));
    let delivering = |line| -> Option<_> {
        let line: &super::overlay::Entity = line;
        Some((&line.id, line.delivers.as_ref()?))
    };
    named.extend(overlay.entities.iter().filter_map(delivering));
    named.extend(
        overlay
            .ownerships
            .iter()
            .map(|line| (&line.child, &line.source)),
    );
    named.extend(
        overlay
            .domains
            .iter()
            .map(|line| (&line.name, &line.source)),
    );
    named.extend(
        overlay
            .excludes
            .iter()
            .map(|line| (&line.name, &line.source)),
    );
    named.extend(
        overlay
            .networks
            .iter()
            .map(|line| (&line.entity, &line.source)),
    );
    named.extend(
        overlay
            .anycasts
            .iter()
            .map(|line| (&line.entity, &line.source)),
    );
    if let Some((line, source)) = named
        .iter()
        .find(|(_, source)| !sources.contains(source.as_str()))
    {
        return Err(format!(
            "data: the line of {line:?} has the source {source:?}, which is not in sources.toml"
        ));
    }
    let used: HashSet<&str> = named.iter().map(|(_, source)| source.as_str()).collect();
    sources
        .iter()
        .find(|source| !used.contains(**source))
        .map_or(Ok(()), |source| {
            Err(format!(
                "data/sources.toml: no line uses the source {source:?}"
            ))
        })
}
