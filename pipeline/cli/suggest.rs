//! Names that a person may have meant.

/// The known name that is nearest to a wrong one, if one is near enough to be a slip of the fingers.
pub fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&wrong, &name.to_lowercase()), *name))
        .filter(|(distance, name)| {
            *distance <= 1 + wrong.chars().count().max(name.chars().count()) / 4 || starts(name, &wrong)
        })
        .min()
        .map(|(_, name)| name)
}

fn starts(name: &str, wrong: &str) -> bool {
    wrong.chars().count() >= 3 && name.to_lowercase().starts_with(wrong)
}

/// What to do about a wrong name: the nearest one, else what there is.
pub fn hint(wrong: &str, known: &[&str]) -> Option<String> {
    const LISTED: usize = 12;
    if let Some(name) = nearest(wrong, known) {
        return Some(format!("did you mean `{name}`?"));
    }
    if known.is_empty() {
        return None;
    }
    let listed = known.iter().take(LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let rest = if known.len() > LISTED { format!(" and {} more", known.len() - LISTED) } else { String::new() };
    Some(format!("there is {listed}{rest}"))
}

/// Says that a name is unknown, with the hint in the same line.
pub fn unknown(kind: &str, wrong: &str, known: &[&str]) -> String {
    match hint(wrong, known) {
        Some(hint) => format!("unknown {kind} `{wrong}`: {hint}"),
        None => format!("unknown {kind} `{wrong}`"),
    }
}
