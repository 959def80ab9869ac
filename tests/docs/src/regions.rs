//! The generated regions of a page, between two HTML comments that name them.

use anyhow::{Context, Result};

/// Returns `page` with the content of its region `name` replaced by `content`.
///
/// # Errors
/// Fails if the page lacks one of the two comments.
pub fn replace(page: &str, name: &str, content: &str) -> Result<String> {
    let (start, end) = (format!("<!-- generated: {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) =
        page.split_once(&start).with_context(|| format!("expected the line {}", start.trim()))?;
    let (_, after) =
        rest.split_once(&end).with_context(|| format!("expected {end} after {}", start.trim()))?;
    Ok(format!("{before}{start}\n{}\n\n{end}{after}", content.trim()))
}

/// Returns the number of generated regions in `page`.
#[must_use]
pub fn count(page: &str) -> usize {
    page.matches("<!-- generated: ").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_region_is_replaced() {
        let page = "a\n<!-- generated: x -->\nold\n<!-- end of x -->\nb\n";
        assert_eq!(count(page), 1);
        let replaced = replace(page, "x", "new\n").unwrap();
        assert_eq!(replaced, "a\n<!-- generated: x -->\n\nnew\n\n<!-- end of x -->\nb\n");
        assert_eq!(replace(&replaced, "x", "new").unwrap(), replaced, "a second time");
    }

    #[test]
    fn a_missing_comment_is_an_error_that_quotes_it() {
        let check = |page: &str, expected: &str| {
            assert_eq!(replace(page, "x", "").unwrap_err().to_string(), expected);
        };
        check("a", "expected the line <!-- generated: x -->");
        check("<!-- generated: x -->\n", "expected <!-- end of x --> after <!-- generated: x -->");
    }
}
