//! What people are told, in the forms in which they get it. Pure.

use serde::{Deserialize, Serialize};
use serde_json::json;

/// A notice in words. Holds no secret and no personal value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// One sentence: which job, and what became of it.
    pub headline: String,
    /// `failed`, for the subject of an e-mail.
    pub word: String,
    pub project: String,
    pub environment: String,
    pub job: String,
    pub as_of: Option<String>,
    pub run_id: Option<String>,
    /// What led to it, the nearest cause first.
    pub causes: Vec<String>,
    pub hint: Option<String>,
    /// Commands that show more.
    pub commands: Vec<String>,
}

/// A message is to be read on a telephone, and Slack refuses a block of more than 3,000 characters.
const LONGEST_LINE: usize = 240;
const MOST_CAUSES: usize = 8;

impl Message {
    /// The body of a webhook: `text` for all who read it, and `blocks` for Slack, which then shows them instead.
    pub fn slack(&self, notice_id: &str) -> String {
        let lines = |lines: Vec<String>| lines.join("\n");
        let headline = format!("*{}*", escaped(&self.headline));
        let facts = lines(self.facts().iter().map(|(name, value)| format!("{name}: {}", escaped(value))).collect());
        let causes = lines(self.short_causes().iter().map(|cause| format!("• {}", escaped(cause))).collect());
        let hint = self.hint.as_ref().map(|hint| format!("_Hint:_ {}", escaped(&shortened(hint)))).unwrap_or_default();
        let commands = lines(self.commands.iter().map(|command| format!("`{}`", escaped(command))).collect());
        let id = format!("notice {}", escaped(notice_id));
        let parts: Vec<&str> = [&headline, &facts, &causes, &hint, &commands]
            .into_iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        let mut blocks: Vec<serde_json::Value> =
            parts.iter().map(|part| json!({"type": "section", "text": {"type": "mrkdwn", "text": part}})).collect();
        blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": id}]}));
        let text = parts.iter().copied().chain([id.as_str()]).collect::<Vec<_>>().join("\n");
        json!({"text": text, "blocks": blocks}).to_string()
    }

    /// `[lifecycle] nightly failed (shop, production, as of 2026-01-31)`.
    pub fn subject(&self) -> String {
        let as_of = self.as_of.as_ref().map(|day| format!(", as of {day}")).unwrap_or_default();
        format!("[lifecycle] {} {} ({}, {}{as_of})", self.job, self.word, self.project, self.environment)
    }

    /// The body of an e-mail.
    pub fn plain(&self, notice_id: &str) -> String {
        let mut text = format!("{}\n\n", self.headline);
        for (name, value) in self.facts() {
            text.push_str(&format!("{:<13}{value}\n", format!("{name}:")));
        }
        if !self.causes.is_empty() {
            text.push('\n');
            for cause in self.short_causes() {
                text.push_str(&format!("- {cause}\n"));
            }
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\nHint: {hint}\n"));
        }
        if !self.commands.is_empty() {
            text.push_str("\nTo look at it:\n");
            for command in &self.commands {
                text.push_str(&format!("  {command}\n"));
            }
        }
        text.push_str(&format!("\nNotice {notice_id}. It may come twice; it is the same then.\n"));
        text
    }

    fn facts(&self) -> Vec<(&'static str, &str)> {
        let mut facts =
            vec![("Project", self.project.as_str()), ("Environment", &self.environment), ("Job", &self.job)];
        facts.extend(self.as_of.as_deref().map(|day| ("As of", day)));
        facts.extend(self.run_id.as_deref().map(|id| ("Run", id)));
        facts
    }

    fn short_causes(&self) -> Vec<String> {
        let mut causes: Vec<String> = self.causes.iter().take(MOST_CAUSES).map(|cause| shortened(cause)).collect();
        if self.causes.len() > MOST_CAUSES {
            causes.push(format!("and {} more", self.causes.len() - MOST_CAUSES));
        }
        causes
    }
}

fn shortened(text: &str) -> String {
    let line = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Slack reads `&`, `<` and `>` as its own.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
