//! Names, and the nearest one to a misspelt one.

/// Tells whether a name is a lower-snake-case identifier of at most 63 characters.
pub(crate) fn is_identifier(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|character| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_')
}

/// The candidate that a misspelt name most likely means; `None` where none is near.
pub(crate) fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let allowed = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The hint that names the nearest candidate.
pub(crate) fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(name, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

/// The choices in words: ``one of `a`, `b` ``. Beyond a dozen the rest is counted.
pub(crate) fn one_of<T: AsRef<str>>(choices: &[T]) -> String {
    const SHOWN: usize = 16;
    let quoted: Vec<String> = choices.iter().take(SHOWN).map(|choice| format!("`{}`", choice.as_ref())).collect();
    match (quoted.as_slice(), choices.len()) {
        ([], _) => "nothing".to_owned(),
        ([only], 1) => only.clone(),
        (_, count) if count > SHOWN => format!("one of {} and {} more", quoted.join(", "), count - SHOWN),
        _ => format!("one of {}", quoted.join(", ")),
    }
}
