//! A statement that is put together at run time, out of parts that stand in the source: a value can only become part of
//! it as a value.

use super::Value;

/// A statement with the values for its `?`, in order.
///
/// ```ignore
/// let mut query = Query::new("SELECT pk FROM images WHERE deleted_at IS NULL");
/// if let Some(owner) = owner {
///     query = query.push(" AND owner = ?", [owner.into()]);
/// }
/// let rows = db.rows_of(&query).await?;
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    sql: String,
    values: Vec<Value>,
}

impl Query {
    pub fn new(sql: &'static str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new() }
    }

    /// `sql` goes to the end as it is, with any space it needs.
    #[must_use]
    pub fn push(mut self, sql: &'static str, values: impl IntoIterator<Item = Value>) -> Self {
        self.sql.push_str(sql);
        self.values.extend(values);
        self
    }

    /// `sql`, then as many placeholders in brackets as there are values: `push_list(" AND pk IN ", …)`. Without any
    /// value the list matches nothing.
    #[must_use]
    pub fn push_list(mut self, sql: &'static str, values: impl IntoIterator<Item = Value>) -> Self {
        self.sql.push_str(sql);
        let before = self.values.len();
        self.values.extend(values);
        self.sql.push('(');
        for at in before..self.values.len() {
            self.sql.push_str(if at == before { "?" } else { ", ?" });
        }
        if self.values.len() == before {
            self.sql.push_str("NULL");
        }
        self.sql.push(')');
        self
    }

    pub fn sql(&self) -> &str {
        &self.sql
    }

    pub fn values(&self) -> &[Value] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_values_keep_their_order() {
        let query = Query::new("SELECT a FROM t WHERE b = ?")
            .push("", [])
            .push_list(" AND c IN ", [Value::Int(1), "x".into()])
            .push_list(" AND d IN ", [])
            .push(" LIMIT ?", [9u32.into()]);
        assert_eq!(query.sql(), "SELECT a FROM t WHERE b = ? AND c IN (?, ?) AND d IN (NULL) LIMIT ?");
        assert_eq!(query.values(), [Value::Int(1), "x".into(), Value::Int(9)]);
    }
}
