//! The query language: `SELECT … FROM … [WHERE …] [ORDER BY …] [LIMIT …]`.

use super::failure::AdsError;
use super::gaql_check::check;

/// A parsed query.
#[derive(Debug)]
pub struct Query {
    /// Fields in the order asked for.
    pub select: Vec<String>,
    /// Resource.
    pub from: String,
    /// Conditions; all must hold.
    pub conditions: Vec<Condition>,
    /// Field and whether descending.
    pub order: Vec<(String, bool)>,
    /// Most rows.
    pub limit: Option<usize>,
}

/// One condition.
#[derive(Debug)]
pub struct Condition {
    /// Field on the left.
    pub field: String,
    /// Operator, upper case.
    pub operator: String,
    /// Operands without quotes.
    pub values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Symbol(&'static str),
}

pub(super) fn error(name: &str, message: impl Into<String>) -> AdsError {
    AdsError::new("queryError", name, message)
}

fn unexpected(what: &str) -> AdsError {
    error("UNEXPECTED_INPUT", format!("Error in query: unexpected input {what}."))
}

fn tokens(text: &str) -> Result<Vec<Token>, AdsError> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '\'' | '"' => out.push(Token::Quoted(quoted(c, &mut chars)?)),
            ',' => out.push(Token::Symbol(",")),
            '(' => out.push(Token::Symbol("(")),
            ')' => out.push(Token::Symbol(")")),
            '=' => out.push(Token::Symbol("=")),
            '!' if chars.next_if_eq(&'=').is_some() => out.push(Token::Symbol("!=")),
            '<' => out.push(Token::Symbol(if chars.next_if_eq(&'=').is_some() { "<=" } else { "<" })),
            '>' => out.push(Token::Symbol(if chars.next_if_eq(&'=').is_some() { ">=" } else { ">" })),
            c if c.is_ascii_alphanumeric() || "_-.".contains(c) => {
                let mut word = c.to_string();
                while let Some(next) = chars.next_if(|n| n.is_ascii_alphanumeric() || "_-.".contains(*n)) {
                    word.push(next);
                }
                out.push(Token::Word(word));
            }
            other => return Err(unexpected(&other.to_string())),
        }
    }
    Ok(out)
}

fn quoted(quote: char, chars: &mut impl Iterator<Item = char>) -> Result<String, AdsError> {
    let mut out = String::new();
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return Ok(out),
            '\\' => match chars.next() {
                Some(escaped @ ('\\' | '\'' | '"')) => out.push(escaped),
                Some('n') => out.push('\n'),
                other => {
                    return Err(error(
                        "BAD_ESCAPE_SEQUENCE",
                        format!("Error in query: bad escape sequence \\{}.", other.unwrap_or(' ')),
                    ));
                }
            },
            other => out.push(other),
        }
    }
    Err(error(
        "BAD_STRING_VALUE",
        "Error in query: the string is not terminated.",
    ))
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Parser {
    fn keyword(&mut self, word: &str) -> bool {
        self.tokens
            .next_if(|token| matches!(token, Token::Word(w) if w.eq_ignore_ascii_case(word)))
            .is_some()
    }

    fn symbol(&mut self, symbol: &'static str) -> bool {
        self.tokens.next_if_eq(&Token::Symbol(symbol)).is_some()
    }

    fn word(&mut self, what: &str) -> Result<String, AdsError> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(error("UNEXPECTED_INPUT", format!("Error in query: expected {what}."))),
        }
    }

    fn literal(&mut self) -> Result<String, AdsError> {
        match self.tokens.next() {
            Some(Token::Word(text) | Token::Quoted(text)) => Ok(text),
            _ => Err(error("UNEXPECTED_INPUT", "Error in query: expected a value.")),
        }
    }

    fn condition(&mut self) -> Result<Condition, AdsError> {
        let field = self.word("a field name")?;
        for symbol in ["!=", "<=", ">=", "=", "<", ">"] {
            if self.symbol(symbol) {
                return Ok(Condition {
                    field,
                    operator: symbol.to_owned(),
                    values: vec![self.literal()?],
                });
            }
        }
        let mut operator = self.word("an operator")?.to_ascii_uppercase();
        if operator == "NOT" {
            operator = format!("NOT {}", self.word("an operator")?.to_ascii_uppercase());
        }
        let values = match operator.as_str() {
            "IN" | "NOT IN" => self.list()?,
            "DURING" => vec![self.word("a date range")?],
            "BETWEEN" => {
                let low = self.literal()?;
                if !self.keyword("AND") {
                    return Err(unexpected("behind BETWEEN"));
                }
                vec![low, self.literal()?]
            }
            other => {
                return Err(error(
                    "INVALID_OPERATOR",
                    format!("Error in query: the operator {other} is not valid here."),
                ));
            }
        };
        Ok(Condition {
            field,
            operator,
            values,
        })
    }

    fn list(&mut self) -> Result<Vec<String>, AdsError> {
        if !self.symbol("(") {
            return Err(unexpected("behind IN"));
        }
        let mut values = vec![self.literal()?];
        while self.symbol(",") {
            values.push(self.literal()?);
        }
        if self.symbol(")") {
            Ok(values)
        } else {
            Err(unexpected("in list"))
        }
    }

    fn limit(&mut self) -> Result<usize, AdsError> {
        let number = self.word("a limit")?.parse().ok().filter(|n| *n > 0);
        let message = "Error in query: the limit must be a positive number.";
        number.ok_or_else(|| error("INVALID_LIMIT_CLAUSE", message))
    }

    fn order(&mut self) -> Result<Vec<(String, bool)>, AdsError> {
        let mut out = Vec::new();
        loop {
            let field = self.word("a field name")?;
            let descending = self.keyword("DESC");
            if !descending {
                self.keyword("ASC");
            }
            out.push((field, descending));
            if !self.symbol(",") {
                return Ok(out);
            }
        }
    }
}

/// Parses and checks a query.
pub fn parse(text: &str) -> Result<Query, AdsError> {
    if text.trim().is_empty() {
        return Err(AdsError::new(
            "queryError",
            "INVALID_QUERY",
            "Error in query: the query is empty.",
        ));
    }
    let mut parser = Parser {
        tokens: tokens(text)?.into_iter().peekable(),
    };
    if !parser.keyword("SELECT") {
        return Err(unexpected("before SELECT"));
    }
    let mut select = vec![parser.word("a field name")?];
    while parser.symbol(",") {
        select.push(parser.word("a field name")?);
    }
    if !parser.keyword("FROM") {
        return Err(error("EXPECTED_FROM", "Error in query: expected FROM."));
    }
    let from = parser.word("a resource name")?;
    let mut conditions = Vec::new();
    if parser.keyword("WHERE") {
        conditions.push(parser.condition()?);
        while parser.keyword("AND") {
            conditions.push(parser.condition()?);
        }
    }
    let mut order = Vec::new();
    if parser.keyword("ORDER") {
        if !parser.keyword("BY") {
            return Err(unexpected("behind ORDER"));
        }
        order = parser.order()?;
    }
    let limit = if parser.keyword("LIMIT") {
        Some(parser.limit()?)
    } else {
        None
    };
    if let Some(rest) = parser.tokens.next() {
        return Err(unexpected(&format!("{rest:?}")));
    }
    let query = Query {
        select,
        from,
        conditions,
        order,
        limit,
    };
    check(&query)?;
    Ok(query)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::unwrap_in_result)]
    use super::*;

    #[test]
    fn quotes_and_escapes_are_read() {
        let query = parse(r#"select conversion_action.id from conversion_action where conversion_action.name = 'it\'s "a" \\ test' and conversion_action.id in (1, 2) limit 3"#).unwrap();
        assert_eq!(query.conditions[0].values, [r#"it's "a" \ test"#]);
        assert_eq!(query.conditions[1].values, ["1", "2"]);
        assert_eq!(query.limit, Some(3));
    }

    #[test]
    fn mistakes_are_refused() {
        for bad in [
            "",
            "SELECT FROM customer",
            "SELECT customer.id, FROM customer",
            "SELECT customer.id",
            "SELECT customer.nope FROM customer",
            "SELECT customer.id FROM campaign",
            "SELECT conversion_action.id FROM customer",
            "SELECT customer.id FROM customer WHERE customer.id = 'abc'",
            "SELECT customer.id FROM customer WHERE customer.id LIKE '1'",
            "SELECT conversion_action.id FROM conversion_action WHERE conversion_action.status = 'ACTIVE'",
            "SELECT conversion_action.id FROM conversion_action WHERE conversion_action.name = 'open",
            r"SELECT conversion_action.id FROM conversion_action WHERE conversion_action.name = '\x'",
            "SELECT conversion_action.id FROM conversion_action WHERE conversion_action.name > 'a'",
            "SELECT segments.date, metrics.conversions FROM customer",
            "SELECT metrics.conversions FROM customer WHERE segments.conversion_action = 'x'",
            "SELECT metrics.conversions FROM customer WHERE segments.date DURING LAST_YEAR",
            "SELECT customer.id FROM customer ORDER BY customer.status",
            "SELECT customer.id FROM customer LIMIT 0",
            "SELECT customer.id FROM customer; DROP",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
