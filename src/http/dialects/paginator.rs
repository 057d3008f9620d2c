//! Pages of a list as Laravel counts them, with the links between them.

use serde_json::{Value, json};

/// One page of a list.
pub(super) struct Paginator<'a> {
    /// Where the list is, without a query.
    pub(super) path: String,
    /// What else was asked for and goes on to other pages, as it was sent.
    pub(super) query: Vec<(&'a str, &'a str)>,
    pub(super) page: u32,
    pub(super) per_page: u32,
    pub(super) total: u64,
}

/// How many pages are linked on each side of this one.
const EACH_SIDE: u64 = 3;

impl Paginator<'_> {
    pub(super) fn json(&self, data: &[Value]) -> Value {
        let (page, last) = (u64::from(self.page), self.last());
        let first_item = (page - 1) * u64::from(self.per_page) + 1;
        let items = data.len() as u64;
        let span = (items > 0).then(|| (first_item, first_item + items - 1));
        json!({
            "current_page": page,
            "data": data,
            "first_page_url": self.url(1),
            "from": span.map(|(from, _)| from),
            "last_page": last,
            "last_page_url": self.url(last),
            "links": self.links(),
            "next_page_url": (page < last).then(|| self.url(page + 1)),
            "path": self.path,
            "per_page": self.per_page,
            "prev_page_url": (page > 1).then(|| self.url(page - 1)),
            "to": span.map(|(_, to)| to),
            "total": self.total,
        })
    }

    fn last(&self) -> u64 {
        self.total.div_ceil(u64::from(self.per_page)).max(1)
    }

    fn links(&self) -> Vec<Value> {
        let (page, last) = (u64::from(self.page), self.last());
        let link = |url: Option<u64>, label: &str, active: bool| json!({ "url": url.map(|page| self.url(page)), "label": label, "active": active });
        let mut links = vec![link((page > 1).then(|| page - 1), "&laquo; Previous", false)];
        links.extend(self.shown().into_iter().map(|shown| match shown {
            Some(number) => link(Some(number), &number.to_string(), number == page),
            None => link(None, "...", false),
        }));
        links.push(link((page < last).then(|| page + 1), "Next &raquo;", false));
        links
    }

    /// The pages that are linked; `None` where some are left out.
    fn shown(&self) -> Vec<Option<u64>> {
        let (page, last) = (u64::from(self.page), self.last());
        let window = EACH_SIDE + 4;
        let numbers = |from: u64, to: u64| (from..=to).map(Some);
        if last < EACH_SIDE * 2 + 8 {
            return numbers(1, last).collect();
        }
        if page <= window {
            return numbers(1, window + EACH_SIDE).chain([None]).chain(numbers(last - 1, last)).collect();
        }
        if page > last - window {
            let from = last - (window + EACH_SIDE - 1);
            return numbers(1, 2).chain([None]).chain(numbers(from, last)).collect();
        }
        let slider = numbers(page - EACH_SIDE, page + EACH_SIDE);
        numbers(1, 2).chain([None]).chain(slider).chain([None]).chain(numbers(last - 1, last)).collect()
    }

    fn url(&self, page: u64) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.iter().filter(|(key, _)| *key != "page"));
        query.append_pair("page", &page.to_string());
        format!("{}?{}", self.path, query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paginator(page: u32, total: u64) -> Paginator<'static> {
        let query = vec![("order", "newest"), ("page", "7"), ("keyword", "a b")];
        Paginator { path: "http://x/api/v1/images".to_owned(), query, page, per_page: 40, total }
    }

    fn shown(page: u32, pages: u64) -> String {
        let shown = paginator(page, pages * 40).shown();
        let text = |number: &Option<u64>| number.map_or("…".to_owned(), |number| number.to_string());
        shown.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn links_the_pages_around_this_one_and_at_both_ends() {
        assert_eq!(shown(1, 1), "1");
        assert_eq!(shown(5, 13), "1 2 3 4 5 6 7 8 9 10 11 12 13");
        assert_eq!(shown(7, 14), "1 2 3 4 5 6 7 8 9 10 … 13 14");
        assert_eq!(shown(8, 14), "1 2 … 5 6 7 8 9 10 11 12 13 14");
        assert_eq!(shown(10, 30), "1 2 … 7 8 9 10 11 12 13 … 29 30");
        assert_eq!(shown(99, 30), "1 2 … 21 22 23 24 25 26 27 28 29 30");
    }

    #[test]
    fn an_empty_list_has_one_page_with_nothing_on_it() {
        let page = paginator(1, 0).json(&[]);
        assert_eq!((&page["last_page"], &page["from"], &page["to"]), (&json!(1), &Value::Null, &Value::Null));
        assert_eq!(page["next_page_url"], Value::Null);
    }

    #[test]
    fn links_carry_what_was_asked() {
        let page = paginator(2, 81).json(&vec![json!(1); 40]);
        assert_eq!(page["next_page_url"], "http://x/api/v1/images?order=newest&keyword=a+b&page=3");
        assert_eq!((&page["from"], &page["to"], &page["last_page"]), (&json!(41), &json!(80), &json!(3)));
        let labels: Vec<&str> =
            page["links"].as_array().unwrap().iter().map(|link| link["label"].as_str().unwrap()).collect();
        assert_eq!(labels, ["&laquo; Previous", "1", "2", "3", "Next &raquo;"]);
        assert_eq!(page["links"][2]["active"], true);
    }
}
