//! Lists: sorting, pages, columns, filters.
//!
//! A list is made of cheap items. Unless somebody sorts by a column that takes more to know, an item is only looked at
//! closely ([`List::detail`]) if it is on the page that was asked for, in slices, while the answer is being sent.

use std::cmp::Ordering;

use axum::http::StatusCode;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Refused},
    request::Request,
};

/// Items that are looked at closely at a time: the broker is not held up for longer than that.
const SLICE: usize = 256;

const PAGE_SIZE: usize = 100;
const PAGE_SIZE_MAX: usize = 500;

/// A list that is to be answered.
pub(super) struct List<K, D> {
    /// In the order in which they are shown when nobody wants another.
    pub(super) items: Vec<K>,
    /// What the filter of names looks at.
    pub(super) name: fn(&K) -> &str,
    /// The documents of a slice of items; those that are gone meanwhile have none.
    pub(super) detail: D,
}

/// What of a list is wanted, and how.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    page: Option<Page>,
    filter: Option<Filter>,
    sort: Vec<String>,
    reverse: bool,
    columns: Vec<Vec<String>>,
}

#[derive(Debug)]
struct Page {
    number: usize,
    size: usize,
}

#[derive(Debug)]
enum Filter {
    Part(String),
    Pattern(Regex),
}

impl Filter {
    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Part(part) => name.to_lowercase().contains(part),
            Self::Pattern(pattern) => pattern.is_match(name),
        }
    }
}

impl Wanted {
    pub(super) fn of(request: &Request) -> Result<Self, Refused> {
        let sort = request.query("sort").filter(|sort| !sort.is_empty());
        Ok(Self {
            page: page(request)?,
            filter: filter(request)?,
            sort: sort.map(dotted).unwrap_or_default(),
            reverse: request.flag("sort_reverse"),
            columns: columns(request),
        })
    }

    /// The columns of one document.
    pub(super) fn cut(&self, document: Value) -> Value {
        if self.columns.is_empty() {
            return document;
        }
        let mut cut = Map::new();
        for column in &self.columns {
            if let Some(found) = at(&document, column) {
                put(&mut cut, column, found.clone());
            }
        }
        Value::Object(cut)
    }
}

fn page(request: &Request) -> Result<Option<Page>, Refused> {
    let invalid = || Refused::bad_request("Pagination parameters are invalid");
    let number = |name: &str| match request.query(name) {
        None => Ok(None),
        Some(text) => text.parse::<i64>().map(Some).map_err(|_| invalid()),
    };
    let Some(page) = number("page")? else {
        return Ok(None);
    };
    let size = number("page_size")?;
    let fits = page > 0 && size.is_none_or(|size| (1..=PAGE_SIZE_MAX as i64).contains(&size));
    if !fits {
        let size = size.map_or_else(|| "undefined".to_owned(), |size| size.to_string());
        return Err(Refused::new(
            StatusCode::BAD_REQUEST,
            "invalid_pagination_parameters",
            format!("Invalid pagination parameters: page number {page}, page size {size}"),
        ));
    }
    let number = usize::try_from(page).map_err(|_| invalid())?;
    let size = size
        .map(usize::try_from)
        .transpose()
        .map_err(|_| invalid())?;
    Ok(Some(Page {
        number,
        size: size.unwrap_or(PAGE_SIZE),
    }))
}

fn filter(request: &Request) -> Result<Option<Filter>, Refused> {
    let Some(name) = request.query("name").filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    if !request.flag("use_regex") {
        return Ok(Some(Filter::Part(name.to_lowercase())));
    }
    let pattern = regex::RegexBuilder::new(name)
        .case_insensitive(true)
        .build();
    let pattern = pattern.map_err(|_| Refused::bad_request("Pagination parameters are invalid"))?;
    Ok(Some(Filter::Pattern(pattern)))
}

fn columns(request: &Request) -> Vec<Vec<String>> {
    let columns = request.query("columns").unwrap_or_default().split(',');
    columns
        .filter(|column| !column.is_empty())
        .map(dotted)
        .collect()
}

fn dotted(text: &str) -> Vec<String> {
    text.split('.').map(str::to_owned).collect()
}

/// The member at a path.
fn at<'v>(document: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter()
        .try_fold(document, |found, name| found.get(name))
}

fn put(object: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            object.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let inner = object.entry(first.clone()).or_insert_with(|| json!({}));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Erlang's order of terms, as far as documents have them: numbers, then words, then objects, lists and texts.
fn compare(left: &Value, right: &Value) -> Ordering {
    fn rank(value: &Value) -> u8 {
        match value {
            Value::Number(_) => 0,
            Value::Null | Value::Bool(_) => 1,
            Value::Object(_) => 2,
            Value::Array(_) => 3,
            Value::String(_) => 4,
        }
    }
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            let pair = (left.as_f64().unwrap_or(0.0), right.as_f64().unwrap_or(0.0));
            pair.0.total_cmp(&pair.1)
        }
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (left, right) => rank(left)
            .cmp(&rank(right))
            .then_with(|| left.to_string().cmp(&right.to_string())),
    }
}

impl<K, D> List<K, D>
where
    K: Send + 'static,
    D: Fn(&[K]) -> Vec<Value> + Send + 'static,
{
    /// The list as an answer.
    pub(super) fn answer(self, wanted: Wanted) -> Result<Answer, Refused> {
        let Self {
            mut items,
            name,
            detail,
        } = self;
        let total = items.len();
        // Without pages a filter has no effect, as in RabbitMQ.
        if let (Some(filter), Some(_)) = (&wanted.filter, &wanted.page) {
            items.retain(|item| filter.fits(name(item)));
        }
        let filtered = items.len();
        if wanted.sort.as_slice() == ["name"] {
            items.sort_by(|left, right| name(left).cmp(name(right)));
        } else if !wanted.sort.is_empty() {
            items = sorted(items, &wanted.sort, &detail);
        }
        if wanted.reverse {
            items.reverse();
        }
        let Some(page) = &wanted.page else {
            return Ok(Answer::Pieces(Box::new(pieces(
                items,
                detail,
                wanted,
                "[".to_owned(),
                "]",
            ))));
        };
        let start = (page.number - 1).saturating_mul(page.size);
        if start >= filtered && page.number > 1 {
            return Err(Refused::new(
                StatusCode::BAD_REQUEST,
                "page_out_of_range",
                format!(
                    "Page out of range, page: {} page size: {}, len: {filtered}",
                    page.number, page.size
                ),
            ));
        }
        let items: Vec<K> = items.into_iter().skip(start).take(page.size).collect();
        let head = format!(
            "{{\"filtered_count\":{filtered},\"item_count\":{},\"page\":{},\"page_count\":{},\"page_size\":{},\"total_count\":{total},\"items\":[",
            items.len(),
            page.number,
            filtered.div_ceil(page.size),
            page.size,
        );
        Ok(Answer::Pieces(Box::new(pieces(
            items, detail, wanted, head, "]}",
        ))))
    }
}

/// By a column that only documents have. Of those nothing but the column is kept.
fn sorted<K>(items: Vec<K>, column: &[String], detail: &impl Fn(&[K]) -> Vec<Value>) -> Vec<K> {
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        let documents = detail(std::slice::from_ref(&item));
        let key = documents.first().and_then(|document| at(document, column));
        keyed.push((key.cloned().unwrap_or(Value::Null), item));
    }
    keyed.sort_by(|left, right| compare(&left.0, &right.0));
    keyed.into_iter().map(|(_, item)| item).collect()
}

/// The bytes of a list.
fn pieces<K>(
    items: Vec<K>,
    detail: impl Fn(&[K]) -> Vec<Value>,
    wanted: Wanted,
    head: String,
    tail: &'static str,
) -> impl Iterator<Item = Vec<u8>> {
    let mut is_first = true;
    let mut at = 0;
    let middle = std::iter::from_fn(move || {
        let slice = items
            .get(at..items.len().min(at + SLICE))
            .filter(|slice| !slice.is_empty())?;
        at += slice.len();
        let mut bytes = Vec::with_capacity(slice.len() * 512);
        for document in detail(slice) {
            if !std::mem::take(&mut is_first) {
                bytes.push(b',');
            }
            bytes.extend_from_slice(wanted.cut(document).to_string().as_bytes());
        }
        Some(bytes)
    });
    std::iter::once(head.into_bytes())
        .chain(middle)
        .chain(std::iter::once(tail.as_bytes().to_vec()))
}

/// A list of documents that are there already, in their order.
pub(super) fn answer(request: &Request, documents: Vec<Value>) -> Result<Answer, Refused> {
    let list = List {
        items: documents,
        name: |document: &Value| document.get("name").and_then(Value::as_str).unwrap_or(""),
        detail: |documents: &[Value]| documents.to_vec(),
    };
    list.answer(Wanted::of(request)?)
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use serde_json::{Value, json};

    use super::{Request, answer};
    use crate::management::answer::Answer;

    fn list(query: &str) -> Result<Value, u16> {
        let documents = ["b", "a", "ab", "c"].iter().zip([3, 1, 2, 2]);
        let documents = documents
            .map(|(name, n)| json!({"name": name, "n": n, "deep": {"n": -n, "x": true}}))
            .collect();
        let request = Request::of(Method::GET, &format!("/api/things?{query}"));
        match answer(&request, documents) {
            Ok(Answer::Pieces(pieces)) => {
                let bytes: Vec<u8> = pieces.flatten().collect();
                Ok(serde_json::from_slice(&bytes).unwrap())
            }
            Ok(_) => panic!("not a list"),
            Err(refused) => Err(refused.status()),
        }
    }

    #[track_caller]
    fn check(query: &str, expected: &Value) {
        assert_eq!(&list(query).unwrap(), expected, "{query}");
    }

    #[test]
    fn columns_cut_and_sorts_sort() {
        check(
            "columns=name&sort=name",
            &json!([{"name": "a"}, {"name": "ab"}, {"name": "b"}, {"name": "c"}]),
        );
        check(
            "columns=deep.n,nope&sort=deep.n",
            &json!([{"deep": {"n": -3}}, {"deep": {"n": -2}}, {"deep": {"n": -2}}, {"deep": {"n": -1}}]),
        );
        check(
            "columns=n&sort=n&sort_reverse=true",
            &json!([{"n": 3}, {"n": 2}, {"n": 2}, {"n": 1}]),
        );
    }

    #[test]
    fn pages_have_a_wrapper() {
        check(
            "page=2&page_size=3&columns=name&sort=name",
            &json!({"filtered_count": 4, "item_count": 1, "items": [{"name": "c"}], "page": 2, "page_count": 2, "page_size": 3, "total_count": 4}),
        );
        check(
            "page=1&name=A&columns=name",
            &json!({"filtered_count": 2, "item_count": 2, "items": [{"name": "a"}, {"name": "ab"}], "page": 1, "page_count": 1, "page_size": 100, "total_count": 4}),
        );
        check(
            "page=1&name=%5Ea%24&use_regex=true&columns=name",
            &json!({"filtered_count": 1, "item_count": 1, "items": [{"name": "a"}], "page": 1, "page_count": 1, "page_size": 100, "total_count": 4}),
        );
        check(
            "page=1&name=zzz",
            &json!({"filtered_count": 0, "item_count": 0, "items": [], "page": 1, "page_count": 0, "page_size": 100, "total_count": 4}),
        );
    }

    #[test]
    fn impossible_pages_are_refused() {
        for query in [
            "page=0",
            "page=a",
            "page=1&page_size=501",
            "page=3",
            "page=1&name=(&use_regex=true",
        ] {
            assert_eq!(list(query), Err(400), "{query}");
        }
    }
}
