//! Markdown tables.

/// Returns a table with these column titles and rows.
pub(super) fn table<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> String {
    let mut lines = vec![line(&titles.map(str::to_owned)), "|---".repeat(N) + "|"];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.join("\n")
}

fn line(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}

/// Returns `text` as inline code, or nothing for an empty text.
pub(super) fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

/// Returns a text of several lines as one.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_in_a_cell_is_escaped() {
        let rows = [[code("a|b"), one_line("two\n  lines")]];
        assert_eq!(table(["x", "y"], &rows), "| x | y |\n|---|---|\n| `a\\|b` | two lines |");
    }
}
