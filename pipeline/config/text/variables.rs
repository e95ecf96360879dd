//! `${env:NAME}` and `${raw}` in texts.

/// A text with its variables resolved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resolved {
    pub text: String,
    /// As messages may show it: the text as written, where a value of the environment is in it.
    pub shown: Option<String>,
    /// Each value that came from the environment, with the variable as written.
    pub secrets: Vec<(String, String)>,
}

/// Why a text's variables cannot be resolved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unresolved {
    pub message: String,
    /// The variable is written well, but has no value here.
    pub is_unset: bool,
}

/// Resolves every `${env:NAME}`; the variables named in `kept` stay as they are written.
pub(crate) fn resolve(
    written: &str,
    kept: &[&str],
    read_env: &dyn Fn(&str) -> Option<String>,
) -> Result<Resolved, Unresolved> {
    let malformed = |message: String| Unresolved { message, is_unset: false };
    let mut text = String::new();
    let mut secrets = Vec::new();
    let mut rest = written;
    while let Some(start) = rest.find("${") {
        text.push_str(&rest[..start]);
        let after = &rest[start + 2..];
        let Some(end) = after.find('}') else {
            return Err(malformed(format!("`${{{after}` is not closed, expected `}}` after the variable's name")));
        };
        let variable = &after[..end];
        match variable.strip_prefix("env:") {
            Some(name) if is_variable_name(name) => {
                let value = read_env(name).ok_or_else(|| Unresolved {
                    message: format!("the environment variable `{name}` is not set"),
                    is_unset: true,
                })?;
                text.push_str(&value);
                secrets.push((value, format!("${{{variable}}}")));
            }
            Some(name) => {
                return Err(malformed(format!(
                    "`${{env:{name}}}` does not name an environment variable, expected letters, digits and `_`"
                )));
            }
            None if kept.contains(&variable) => text.push_str(&rest[start..start + 2 + end + 1]),
            None => {
                let mut known = vec!["`${env:NAME}`".to_owned()];
                known.extend(kept.iter().map(|name| format!("`${{{name}}}`")));
                return Err(malformed(format!("unknown variable `${{{variable}}}`, expected {}", known.join(" or "))));
            }
        }
        rest = &after[end + 1..];
    }
    text.push_str(rest);
    Ok(Resolved { text, shown: (!secrets.is_empty()).then(|| written.to_owned()), secrets })
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}
