//! Where do the sources contradict each other? Both sides are kept and shown.

use super::*;

#[test]
fn the_names_on_which_sources_contradict_each_other_are_shown_with_both_sides() {
    let mut count = 0;
    let mut without = 0;
    for number in 0..table::NAME_STARTS.len() - 1 {
        let name = table::name(number);
        let facts = facts(name);
        if !facts.conflict {
            continue;
        }
        count += 1;
        without += usize::from(facts.owner.is_none());
        let sides: Vec<String> = facts
            .claims
            .iter()
            .map(|fact| {
                let claim = &fact.value;
                format!(
                    "{} {:?} ({}: {})",
                    claim.owner.company, claim.relation, claim.pattern, claim.part
                )
            })
            .collect();
        println!(
            "{name} -> {:?}: {}",
            facts.owner.map(|owner| owner.company),
            sides.join("; ")
        );
        assert!(
            facts.claims.len() > 1,
            "{name}: a contradiction has two sides"
        );
    }
    println!("{count} names, {without} of them without an owner for it");
    assert!(facts("bdurl.net").conflict);
}
