//! Lists that come in pages.

use serde::Deserialize;
use serde_json::Value;

use super::{Call, ClientError};

/// The most the platform gives at once.
const PAGE_MAX: u64 = 1000;

/// Items, and where more of them are.
#[derive(Debug, Default, serde::Serialize, Deserialize)]
pub(crate) struct Page {
    /// What was found.
    pub(crate) items: Vec<Value>,
    /// The cursor of the next page.
    #[serde(default)]
    pub(crate) next: Option<String>,
    /// What else the answer carries, for example `broken` services.
    #[serde(flatten)]
    pub(crate) rest: serde_json::Map<String, Value>,
}

/// Collects up to `limit` items (all of them when `None`). `request` makes the same request every
/// time; paging is added here.
///
/// # Errors
///
/// When a page cannot be had.
pub(crate) fn collect<'c>(
    limit: Option<u64>,
    cursor: Option<&str>,
    request: impl Fn() -> Call<'c>,
) -> Result<Page, ClientError> {
    let mut all = Page {
        next: cursor.map(str::to_owned),
        ..Page::default()
    };
    let mut left = limit.unwrap_or(u64::MAX);
    loop {
        let page: Page = request()
            .query("limit", left.clamp(1, PAGE_MAX).to_string())
            .query_opt("cursor", all.next.as_deref())
            .send()?
            .json()?;
        left = left.saturating_sub(page.items.len() as u64);
        let empty = page.items.is_empty();
        all.items.extend(page.items);
        all.rest.extend(page.rest);
        all.next = page.next;
        // An empty page with a cursor would go round for ever.
        if left == 0 || all.next.is_none() || empty {
            return Ok(all);
        }
    }
}
