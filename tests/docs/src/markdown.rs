//! Markdown, read for checks: headings, links, and the code blocks that a reader would run.

use anyhow::{Context, Result};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::path::{Path, PathBuf};

/// A Markdown file.
#[derive(Debug, Default)]
pub struct Page {
    /// The headings' anchors, in order.
    pub anchors: Vec<String>,
    /// The headings' texts, in order.
    pub headings: Vec<String>,
    /// The destinations of links and images, each with its line.
    pub links: Vec<(String, usize)>,
    /// The fenced code blocks.
    pub blocks: Vec<Block>,
}

/// A fenced code block.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The line of its fence.
    pub line: usize,
    /// The words after the fence: `sh`, or `sh,not-tested`.
    pub info: String,
    /// The HTML comment on the line before the fence, without its delimiters; empty if there is none.
    pub comment: String,
    /// The content.
    pub text: String,
}

/// Returns the Markdown files below `root`, except in folders of builds and in hidden folders other
/// than `.github`.
///
/// # Errors
/// Fails if a folder cannot be listed.
pub fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let is_skipped = name == "target" || (name.starts_with('.') && name != ".github");
            if entry.file_type()?.is_dir() {
                if !is_skipped {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

impl Page {
    /// Parses a file's text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
        let (mut heading, mut block, mut comment) = (None::<String>, None::<Block>, String::new());
        for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
            let line = text.get(..range.start).unwrap_or_default().matches('\n').count() + 1;
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    if let Some(heading) = heading.take() {
                        page.anchors.push(page.anchor(&heading));
                        page.headings.push(heading);
                    }
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push((dest_url.to_string(), line));
                }
                Event::Html(html) => comment = uncommented(&html),
                Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => {}
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    let (info, comment) = (info.to_string(), std::mem::take(&mut comment));
                    block = Some(Block { line, info, comment, text: String::new() });
                }
                Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
                Event::Text(part) | Event::Code(part) => {
                    if let Some(block) = &mut block {
                        block.text.push_str(&part);
                    } else if let Some(heading) = &mut heading {
                        heading.push_str(&part);
                    }
                    comment.clear();
                }
                _ => comment.clear(),
            }
        }
        page
    }

    /// Returns the anchor that GitHub and mdBook give a heading; a repeated one gets a number.
    fn anchor(&self, heading: &str) -> String {
        let slug: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            })
            .collect();
        let is_same = |other: &&String| {
            let rest = other.strip_prefix(&slug).and_then(|rest| rest.strip_prefix('-'));
            **other == slug || rest.is_some_and(|rest| rest.parse::<u32>().is_ok())
        };
        let before = self.anchors.iter().filter(is_same).count();
        if before == 0 { slug } else { format!("{slug}-{before}") }
    }
}

/// Returns the content of an HTML comment, or nothing for other HTML.
fn uncommented(html: &str) -> String {
    let comment = html.trim().strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
    comment.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_links_and_blocks_are_found() {
        let page = Page::parse(
            "# A `b` & c\n\nSee [x](y.md#z), ![i](i.svg) and <https://e.org>.\n\n## Twice\n## Twice!\n\n\
             <!-- file: a.yaml -->\n```yaml\nk: v\n```\n\nText.\n\n```sh,not-tested\nls\n```\n",
        );
        assert_eq!(page.anchors, ["a-b--c", "twice", "twice-1"]);
        let links: Vec<_> = page.links.iter().map(|(link, line)| (link.as_str(), *line)).collect();
        assert_eq!(links, [("y.md#z", 3), ("i.svg", 3), ("https://e.org", 3)]);
        let block = |line, info: &str, comment: &str, text: &str| Block {
            line,
            info: info.to_owned(),
            comment: comment.to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(
            page.blocks,
            [block(9, "yaml", "file: a.yaml", "k: v\n"), block(15, "sh,not-tested", "", "ls\n"),]
        );
    }

    #[test]
    fn a_comment_belongs_only_to_the_block_right_after_it() {
        let page = Page::parse("<!-- file: a -->\n\nText.\n\n```sh\nls\n```\n");
        assert_eq!(page.blocks.first().map(|block| block.comment.as_str()), Some(""));
    }
}
