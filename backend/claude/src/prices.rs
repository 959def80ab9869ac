//! Prices of tokens. They change, so the table comes from configuration. The default has the prices
//! of November 2026.
//!
//! Part of [`crate::Settings`]; [`crate::call`] uses it to price an answer.

use crate::usage::Usage;
use std::collections::BTreeMap;
use std::str::FromStr;

/// The most models in a table.
const MAX_MODELS: usize = 64;
/// The highest price, in $ per million tokens. More is a mistake.
const MAX_PRICE_USD: u64 = 100_000;

/// The default table. If no price of the prompt cache was published, it is the usual multiple of
/// the input price. If pages disagree, it is the higher price. (Haiku 5.5 is for prompts up to
/// 100,000 tokens.)
const DEFAULT: &str = "claude-opus-5-5=4/20/5/8/0.20,\
                       claude-sonnet-5-5=2/10/2.50/4/0.20,\
                       claude-haiku-5-5=0.10/0.50/0.125/0.20/0.01,\
                       claude-haiku-4-5=1/5/1.25/2/0.10";

/// The prices of each model.
///
/// Written as `MODEL=IN/OUT/WRITE_5M/WRITE_1H/READ,…` in $ per million tokens, with up to three
/// decimals. The last three are the prices of the prompt cache. If all three are left out, they are
/// 1.25, 2 and 0.1 times the input price.
///
/// ```
/// let prices: claude::Prices = "claude-sonnet-5-5=2/10, my-model=0.5/1.5".parse()?;
/// assert!(prices.has("my-model") && !prices.has("another"));
/// # Ok::<(), claude::BadPrices>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prices(BTreeMap<String, Price>);

/// One model's prices, in nano-dollars per token (thousandths of a dollar per million tokens).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Price {
    input: u64,
    output: u64,
    cache_write_5m: u64,
    cache_write_1h: u64,
    cache_read: u64,
}

/// The error for a malformed table of prices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPrices {
    /// An entry is malformed.
    #[error(
        "entry {} of the price table: expected MODEL=IN/OUT or MODEL=IN/OUT/WRITE_5M/WRITE_1H/READ in $ \
         per million tokens, as in claude-haiku-4-5=1/5/1.25/2/0.10, each at most {MAX_PRICE_USD} \
         with up to three decimals; found \"{found}\"", .index + 1
    )]
    Entry {
        /// The entry's index, from 0.
        index: usize,
        /// The entry's text.
        found: String,
    },
    /// A model occurs twice.
    #[error("expected one price for each model, found two for \"{model}\"")]
    Twice {
        /// The model.
        model: String,
    },
    /// The table has too many models.
    #[error("expected at most {MAX_MODELS} models, found {found}")]
    TooMany {
        /// The number of entries.
        found: usize,
    },
}

impl Prices {
    /// Returns true if the model's price is known. A dated name (`claude-haiku-4-5-20251001`) falls
    /// back to the name without the date.
    #[must_use]
    pub fn has(&self, model: &str) -> bool {
        self.of(model).is_some()
    }

    /// Returns the cost of `usage` in millionths of a dollar, rounded up, or `None` if the model's
    /// price is unknown.
    #[must_use]
    pub fn cost_micro_usd(&self, model: &str, usage: &Usage) -> Option<u64> {
        let price = self.of(model)?;
        let nano_usd = [
            (price.input, usage.input_tokens),
            (price.cache_write_5m, usage.cache_write_5m_tokens),
            (price.cache_write_1h, usage.cache_write_1h_tokens),
            (price.cache_read, usage.cache_read_tokens),
            (price.output, usage.output_tokens),
        ]
        .into_iter()
        .fold(0_u64, |sum, (price, tokens)| sum.saturating_add(price.saturating_mul(tokens)));
        Some(nano_usd.div_ceil(1_000))
    }

    fn of(&self, model: &str) -> Option<&Price> {
        self.0.get(model).or_else(|| self.0.get(undated(model)?))
    }
}

/// Returns the name without its date, if it has one.
fn undated(model: &str) -> Option<&str> {
    let (name, date) = model.rsplit_once('-')?;
    (date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

impl Default for Prices {
    fn default() -> Self {
        DEFAULT.parse().unwrap_or_else(|_bad: BadPrices| Self(BTreeMap::new()))
    }
}

impl FromStr for Prices {
    type Err = BadPrices;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = text.split(',').count();
        if found > MAX_MODELS {
            return Err(BadPrices::TooMany { found });
        }
        let mut prices = BTreeMap::new();
        for (index, entry) in text.split(',').enumerate() {
            let wrong = || BadPrices::Entry { index, found: entry.chars().take(100).collect() };
            let (model, price) = entry.split_once('=').ok_or_else(wrong)?;
            let model = model.trim();
            let price = Price::read(price).filter(|_| !model.is_empty()).ok_or_else(wrong)?;
            if prices.insert(model.to_owned(), price).is_some() {
                return Err(BadPrices::Twice { model: model.chars().take(100).collect() });
            }
        }
        Ok(Self(prices))
    }
}

impl Price {
    fn read(text: &str) -> Option<Self> {
        let amounts: Vec<u64> = text.split('/').map(nano_usd).collect::<Option<_>>()?;
        let (input, output, cache) = match *amounts.as_slice() {
            [input, output] => (input, output, [input * 5 / 4, input * 2, input.div_ceil(10)]),
            [input, output, write_5m, write_1h, read] => {
                (input, output, [write_5m, write_1h, read])
            }
            _ => return None,
        };
        let [cache_write_5m, cache_write_1h, cache_read] = cache;
        Some(Self { input, output, cache_write_5m, cache_write_1h, cache_read })
    }
}

/// Parses dollars per million tokens into nano-dollars per token.
fn nano_usd(text: &str) -> Option<u64> {
    let text = text.trim();
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !are_digits(whole) || !are_digits(decimals) || decimals.len() > 3 {
        return None;
    }
    let whole: u64 = whole.parse().ok().filter(|usd| *usd <= MAX_PRICE_USD)?;
    let thousandths: u64 = format!("{decimals:0<3}").parse().ok()?;
    Some(whole * 1_000 + thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLION_OF_EACH: Usage = Usage {
        input_tokens: 1_000_000,
        cache_write_5m_tokens: 1_000_000,
        cache_write_1h_tokens: 1_000_000,
        cache_read_tokens: 1_000_000,
        output_tokens: 1_000_000,
        thinking_tokens: 1_000_000,
    };

    #[test]
    fn the_default_has_the_current_models() {
        let check = |model: &str, expected_micro_usd: Option<u64>| {
            let cost = Prices::default().cost_micro_usd(model, &MILLION_OF_EACH);
            assert_eq!(cost, expected_micro_usd, "{model}");
        };
        check("claude-opus-5-5", Some(37_200_000));
        check("claude-sonnet-5-5", Some(18_700_000));
        check("claude-haiku-5-5", Some(935_000));
        check("claude-haiku-4-5", Some(9_350_000));
        check("claude-haiku-4-5-20251001", Some(9_350_000));
        check("claude-haiku-4-5-latest", None);
        check("claude-haiku", None);
        check("", None);
    }

    #[test]
    fn a_cost_is_exact_and_rounded_up() {
        let prices: Prices = "m=0.125/2".parse().unwrap();
        let check = |input_tokens, output_tokens, expected_micro_usd| {
            let usage = Usage { input_tokens, output_tokens, ..Usage::default() };
            assert_eq!(prices.cost_micro_usd("m", &usage), Some(expected_micro_usd));
        };
        check(0, 0, 0);
        check(1, 0, 1); // 0.125
        check(8, 0, 1);
        check(9, 0, 2);
        check(8, 3, 7);
        check(u64::MAX, u64::MAX, u64::MAX.div_ceil(1_000));
    }

    #[test]
    fn thinking_is_charged_once() {
        let usage = Usage { output_tokens: 50, thinking_tokens: 20, ..Usage::default() };
        assert_eq!(Prices::default().cost_micro_usd("claude-haiku-4-5", &usage), Some(250));
    }

    #[test]
    fn cache_prices_default_to_multiples_of_the_input_price() {
        let explicit: Prices = " m = 2/10/2.5/4/0.2 ".parse().unwrap();
        assert_eq!("m=2/10".parse(), Ok(explicit));
    }

    #[test]
    fn a_malformed_table_is_rejected() {
        for wrong in
            ["", "m", "m=", "=1/2", "m=1", "m=1/2/3", "m=1/2/3/4/5/6", "m=1/-2", "m=1/.5", "m=1/2."]
        {
            let error = wrong.parse::<Prices>().unwrap_err();
            assert!(matches!(error, BadPrices::Entry { index: 0, .. }), "{wrong}: {error}");
        }
        let text = |wrong: &str| wrong.parse::<Prices>().unwrap_err().to_string();
        insta::assert_snapshot!(text("m=1/2,n=1/2.0001"), @r#"entry 2 of the price table: expected MODEL=IN/OUT or MODEL=IN/OUT/WRITE_5M/WRITE_1H/READ in $ per million tokens, as in claude-haiku-4-5=1/5/1.25/2/0.10, each at most 100000 with up to three decimals; found "n=1/2.0001""#);
        insta::assert_snapshot!(text("m=1/2,m=1/2"), @r#"expected one price for each model, found two for "m""#);
        insta::assert_snapshot!(text("m=100001/2"), @r#"entry 1 of the price table: expected MODEL=IN/OUT or MODEL=IN/OUT/WRITE_5M/WRITE_1H/READ in $ per million tokens, as in claude-haiku-4-5=1/5/1.25/2/0.10, each at most 100000 with up to three decimals; found "m=100001/2""#);
        insta::assert_snapshot!(text(&",".repeat(64)), @"expected at most 64 models, found 65");
    }
}
